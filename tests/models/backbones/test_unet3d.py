import itertools

import keras
import numpy as np
import pytest

import keras_cakes as kc

SHAPE = (8, 16, 8, 1)
PLANES = ("1x3x3", "3x1x3", "3x3x1")


def _unet(**arguments):
    return kc.models.unet3d(SHAPE, width=4, **arguments)


@pytest.mark.parametrize(
    ("depth", "normalization"),
    list(itertools.product([1, 3], ["batch", "instance"])),
)
def test_shapes_and_names(depth, normalization):
    model = _unet(classes=5, depth=depth, normalization=normalization)
    assert model.output_shape == (None, 8, 16, 8, 5)
    names = kc.replaceable_layers(model)
    assert len(names) == 2 * (2 * depth - 1)
    assert names[-1] == ("bottom" if depth == 1 else "decoder0") + "_conv2"
    outputs = model(np.zeros((1, *SHAPE)))
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"


@pytest.mark.parametrize(
    ("convolution", "taps"),
    [("3d", 27), ("2d", 9), ("1d", 3), (PLANES, 9), ("1x3x3", 9)],
)
def test_cost_of_every_kind(convolution, taps):
    plain = kc.count_cost(_unet())
    replaced = plain.of(kc.replaceable_layers(_unet()))
    cost = kc.count_cost(_unet(convolution=convolution))
    assert cost.macs == plain.macs - replaced.macs * (27 - taps) // 27


def test_p3d_is_a_plane_then_a_line():
    model = _unet(convolution="p3d")
    plane, line = (
        model.get_layer(f"decoder0_conv1_{part}") for part in ("plane", "line")
    )
    # The plane changes the number of channels (Eq. 2).
    assert tuple(plane.kernel.shape) == (1, 3, 3, 8, 4)
    assert tuple(line.kernel.shape) == (3, 1, 1, 4, 4)
    assert line.input is plane.output


@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
def test_search_network_and_configuration():
    specification = kc.models.SearchSpecification(priority="cost")
    network = _unet(convolution=specification)
    layers = [
        layer
        for layer in network.layers
        if isinstance(layer, kc.layers.CakesSearchConv3D)
    ]
    assert {layer.aggregation for layer in layers} == {"concat", "sum"}
    configuration = kc.derive(kc.Supernet(network))
    derived = _unet(convolution=configuration)
    assert list(configuration) == [layer.name for layer in layers]
    assert isinstance(derived.get_layer(layers[0].name), kc.CakesConv3D)


def test_half_precision_ends_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = _unet()
    finally:
        keras.config.set_dtype_policy("float32")
    outputs = model(np.zeros((1, *SHAPE), "float32"))
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "`depth` is expected.*depth=0"),
        ({"width": 0}, "`width` is expected.*width=0"),
        ({"normalization": "layer"}, "`normalization` is expected.*'layer'"),
        ({"depth": 5}, "multiples of 16.*8, 16, 8"),
        ({"input_shape": (8, 8, 8)}, "depth, height, width, channels"),
        ({"convolution": "4d"}, "`convolution` is expected.*'4d'"),
        ({"convolution": 3}, "`convolution` is expected.*=3"),
        (
            {"convolution": kc.Configuration({"stem_conv": {"1x3x3": 4}})},
            "layers of the backbone.*'stem_conv'",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    arguments = {"input_shape": SHAPE, "width": 4, **arguments}
    with pytest.raises(ValueError, match=message):
        kc.models.unet3d(**arguments)


def test_with_a_stem_of_one_voxel_only_the_blocks_see_neighbours():
    model = _unet(depth=1, stem_kernel_size=1)
    assert model.get_layer("stem_conv").kernel.shape == (1, 1, 1, 1, 4)
    names = kc.replaceable_layers(model)
    assert names == ("bottom_conv1", "bottom_conv2")
    lines = kc.replace(model, kc.uniform_configuration(model, "1x3x1"))
    image = np.random.default_rng(0).normal(size=(1, *SHAPE))
    changed = image.copy()
    changed[0, 4, 8, 4] += 1.0
    difference = np.abs(lines(image) - lines(changed)).max(-1)[0]
    seen = {tuple(place) for place in np.argwhere(difference > 1e-6)}
    assert seen == {(4, height, 4) for height in range(6, 11)}
