import itertools

import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.search.shrinking.affine import Affine
from keras_cakes.search.shrinking.affine import is_affine

LAYERS = keras.layers


KINDS = [
    (kind, {**arguments, "padding": padding, "data_format": data_format})
    for padding, data_format in itertools.product(
        ("same", "valid"), ("channels_last", "channels_first")
    )
    for kind, arguments in (
        (LAYERS.Conv3D, {"kernel_size": 3}),
        (LAYERS.Conv3D, {"kernel_size": (3, 2, 1), "strides": (1, 2, 3)}),
        (LAYERS.Conv3D, {"kernel_size": 3, "dilation_rate": 2}),
        (
            kc.CakesConv3D,
            {
                "kernel_size": 3,
                "sub_kernels": ["3x3x3", "1x1x3"] * 3,
                "groups": 2,
            },
        ),
    )
] + [
    (LAYERS.Conv3DTranspose, {"kernel_size": 2, "strides": 2}),
    (LAYERS.Conv3DTranspose, {"kernel_size": (2, 1, 3), "strides": (2, 1, 3)}),
    (LAYERS.Dense, {}),
]


@pytest.mark.tensorflow
@pytest.mark.parametrize(("kind", "arguments"), KINDS)
def test_columns_times_kernel_is_what_the_layer_computes(kind, arguments):
    layer = kind(6, **arguments)
    first = getattr(layer, "data_format", None) == "channels_first"
    inputs = keras.random.normal((2, 7, 8, 9, 4))
    feature_map = keras.ops.moveaxis(inputs, -1, 1) if first else inputs
    if first:
        # A CPU has no such convolution: compare with the other format.
        layer.build(feature_map.shape)
        config = {**layer.get_config(), "data_format": "channels_last"}
        peer = type(layer).from_config(config)
        peer.build(inputs.shape)
        peer.set_weights(layer.get_weights())
        made = np.array(peer(inputs))
    else:
        made = np.array(layer(feature_map))
    affine = Affine(layer)
    assert is_affine(layer) and affine.channels_last != first
    places = made.shape[:-1] if not affine.is_transposed else (2, 7, 8, 9)
    positions = np.stack([i.ravel() for i in np.indices(places)], axis=1)
    columns = affine.columns(affine.to_array(feature_map), positions)
    kernel = affine.kernel
    found = np.concatenate(
        [
            np.einsum(
                "ptc,tco->po", columns[..., channels], kernel[..., outputs]
            )
            for channels, outputs in affine.groups()
        ],
        axis=-1,
    )
    if affine.is_transposed:
        steps = layer.strides
        found = found.reshape(*places, *steps, 6)
        found = found.transpose(0, 1, 4, 2, 5, 3, 6, 7)
    np.testing.assert_allclose(found.reshape(made.shape), made, atol=1e-5)
    ones = np.ones(made.shape, "float32")
    sums = affine.at_positions(ones)
    assert sums.shape[:-1] == places
    assert (sums == np.prod(layer.strides if affine.is_transposed else 1)).all()


@pytest.mark.parametrize(("kind", "arguments"), KINDS)
def test_an_assigned_kernel_is_read_back(kind, arguments):
    layer = kind(6, **arguments)
    layer.build(
        (2, 4, 7, 8, 9)
        if getattr(layer, "data_format", None) == "channels_first"
        else (2, 7, 8, 9, 4)
    )
    affine = Affine(layer)
    doubled = 2 * affine.kernel
    affine.kernel = doubled
    np.testing.assert_array_equal(affine.kernel, doubled)
    used = np.zeros(doubled.shape, bool)
    for taps, outputs in affine.used_taps():
        used[np.ix_(taps, np.arange(doubled.shape[1]), outputs)] = True
    assert (doubled[~used] == 0).all() and (doubled[used] != 0).all()


def test_layers_that_are_no_matrix():
    assert not is_affine(LAYERS.Conv3DTranspose(4, 3, strides=2))
    assert not is_affine(LAYERS.BatchNormalization())
    assert not is_affine(LAYERS.Conv2D(4, 3))


def test_values_of_a_transposed_layer_are_averaged_over_its_taps():
    layer = LAYERS.Conv3DTranspose(3, (1, 1, 2), strides=(1, 1, 2))
    layer.build((1, 2, 2, 2, 4))
    values = np.array([0.0, 1, 2, 4, 5, 6])
    np.testing.assert_array_equal(Affine(layer).per_channel(values), [2, 3, 4])
