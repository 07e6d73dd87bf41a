import keras
import numpy as np
import pytest

import keras_cakes as kc

# Parameters and multiply-adds of the parts at 96 x 96 x 96.
PARTS = {
    "stem": (56160, 6879707136),
    "pre": (192512, 3850371072),
    "down": (4644864, 5350883328),
    "up": (172032, 1585446912),
    "post": (528384, 3340763136),
    "end": (83040, 30661410816),
    "core": (27 * 622592, 27 * 5039456256),
}
DOWN = ("encoder3_pre1", "encoder5_pre1", "encoder6_pre1")
UP = ("decoder1_pre1", "decoder3_pre1", "decoder4_pre1")


def _part(name):
    if name in DOWN:
        return "down"
    if name in UP:
        return "up"
    if name.startswith(("end", "logits")):
        return "end"
    if name.startswith("stem"):
        return "stem"
    return name.split("_")[1].rstrip("123")


def test_parts_cost_what_the_paper_demands():
    with keras.StatelessScope(initialize_variables=False):
        model = kc.models.c2fnas()
    found, normalization = {}, 0
    for row in kc.count_cost(model).per_layer:
        if row.macs:
            part = _part(row.name)
            params, macs = found.get(part, (0, 0))
            found[part] = (params + row.params, macs + row.macs)
        else:
            normalization += row.params
    assert found == PARTS
    assert normalization == 14528


@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
def test_cores_are_what_is_replaced():
    model = kc.models.c2fnas((16, 16, 16, 1), width=2, convolution="1d2d3d")
    layers = [x for x in model.layers if isinstance(x, kc.CakesConv3D)]
    assert len(layers) == 17
    assert sum(layer.filters for layer in layers) == 2560 // 16
    specification = kc.models.SearchSpecification(priority="cost")
    network = kc.models.c2fnas(
        (16, 16, 16, 1), width=2, convolution=specification
    )
    configuration = kc.derive(kc.Supernet(network))
    assert list(configuration) == [layer.name for layer in layers]
    plain = kc.models.c2fnas((16, 16, 16, 1), width=2)
    chosen = kc.replaceable_layers(plain, lambda x: "_core" in x.name)
    assert list(chosen) == list(configuration)


def test_runs_saves_and_loads(tmp_path):
    model = kc.models.c2fnas(
        (16, 16, 32, 2), 4, width=2, normalization="instance"
    )
    image = np.random.default_rng(0).normal(size=(2, 16, 16, 32, 2))
    logits = model(image)
    assert logits.shape == (2, 16, 16, 32, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(image), logits, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "`width` is expected.*width=0"),
        ({"normalization": "layer"}, "`normalization` is expected.*'layer'"),
        ({"input_shape": (24, 16, 16, 1)}, "multiples of 16.*24"),
        ({"convolution": "4d"}, "`convolution` is expected.*'4d'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        kc.models.c2fnas(**{"input_shape": (16, 16, 16, 1), **arguments})
