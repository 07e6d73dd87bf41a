import keras
import numpy as np
import pytest

import keras_cakes as kc

SHAPE = (16, 16, 16, 1)


def test_cost_is_close_to_the_paper():
    with keras.StatelessScope(initialize_variables=False):
        cost = kc.count_cost(kc.models.resdsn(), convention="paper")
    # What the layout of our reading comes to, exactly.
    assert cost.params == 10_008_195
    assert cost.macs == 191_244_533_760
    # What is printed, to within half a percent.
    assert cost.params == pytest.approx(10.03e6, rel=5e-3)
    assert cost.macs + cost.elementwise == pytest.approx(192.07e9, rel=5e-3)


def test_all_but_the_first_and_the_last_are_replaced():
    plain = kc.models.resdsn(SHAPE, width=2)
    model = kc.models.resdsn(SHAPE, width=2, convolution="1d2d3d")
    replaced = [x.name for x in model.layers if isinstance(x, kc.CakesConv3D)]
    sizes = [
        x.name
        for x in plain.layers
        if type(x) is keras.layers.Conv3D and x.kernel_size == (3, 3, 3)
    ]
    assert replaced == sizes[1:-1]


def test_deep_supervision():
    model = kc.models.resdsn(SHAPE, 4, width=2, deep_supervision=True)
    outputs = model(np.zeros((1, *SHAPE), "float32"))
    assert [tuple(x.shape) for x in outputs] == [(1, 16, 16, 16, 4)] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 1.5}, "`width` is expected.*width=1.5"),
        ({"normalization": None}, "`normalization` is expected.*None"),
        ({"input_shape": (12, 16, 16, 1)}, "multiples of 8.*12"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        kc.models.resdsn(**{"input_shape": SHAPE, **arguments})
