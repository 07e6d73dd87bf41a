import keras
import pytest
import tensorflow as tf

import keras_cakes as kc
from keras_cakes.cost import measure_forward


def _cost(layer, shape):
    image = keras.Input(shape)
    return kc.count_cost(keras.Model(image, layer(image)))


@pytest.mark.parametrize(
    ("layer", "shape", "params", "macs"),
    [
        # 4 filters of 27 * 2 weights at 6^3 positions; 4 biases.
        (keras.layers.Conv3D(4, 3), (8, 8, 8, 2), 220, 216 * 216),
        (
            keras.layers.Conv3D(
                4, 3, strides=2, padding="same", use_bias=False
            ),
            (7, 8, 9, 2),
            216,
            216 * 4 * 4 * 5,
        ),
        (keras.layers.Conv3D(4, 3, dilation_rate=2), (8, 8, 8, 2), 220, 13824),
        (keras.layers.Conv2D(3, 3), (5, 5, 2), 57, 54 * 9),
        (keras.layers.Conv1D(3, 3), (5, 2), 21, 18 * 3),
        (keras.layers.Dense(5), (4, 3), 20, 60),
        (keras.layers.BatchNormalization(), (4, 3), 6, 0),
        (keras.layers.GroupNormalization(-1), (4, 4, 4, 3), 6, 0),
        (
            kc.CakesConv3D(4, 3, sub_kernels={"3x3x3": 1, "1x3x3": 3}),
            (8, 8, 8, 2),
            2 * 27 + 3 * 2 * 9 + 4,
            (2 * 27 + 3 * 2 * 9) * 216,
        ),
        (
            kc.CakesSearchConv3D(4, 3, priority="cost"),
            (8, 8, 8, 2),
            63 * 8 + 2 * 7 * 4,
            63 * 8 * 216,
        ),
        (
            kc.CakesSearchConv3D(4, 3, priority="performance"),
            (8, 8, 8, 2),
            63 * 8 + 2 * 7 * 4,
            27 * 8 * 216,
        ),
    ],
)
def test_hand_worked_layers(layer, shape, params, macs):
    cost = _cost(layer, shape)
    assert (cost.params, cost.macs) == (params, macs)


def test_channels_first():
    layer = keras.layers.Conv3D(4, 3, data_format="channels_first")
    image = keras.Input((2, 8, 8, 8))
    cost = kc.count_cost(keras.Model(image, layer(image)))
    assert cost.macs == 216 * 216


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_transposed_convolution_counts_its_inputs(data_format):
    layer = keras.layers.Conv3DTranspose(
        5, 2, strides=2, data_format=data_format
    )
    shape = (4, 4, 6, 3) if data_format == "channels_last" else (3, 4, 4, 6)
    image = keras.Input(shape)
    cost = kc.count_cost(keras.Model(image, layer(image)))
    assert cost.macs == 8 * 3 * 5 * 4 * 4 * 6


def test_network_agrees_with_the_profiler_of_tensorflow():
    model = kc.models.unet3d((16, 16, 16, 1), width=4, depth=2)
    function = tf.function(lambda x: model(x, training=False))
    graph = function.get_concrete_function(
        tf.TensorSpec((1, 16, 16, 16, 1))
    ).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options = {**options, "output": "none"}
    profile = tf.compat.v1.profiler.profile(graph, options=options)
    convolutions = 0
    # The profiler knows no transposed convolutions.
    transposed = [x.name for x in model.layers if "Transpose" in str(type(x))]
    pending = [profile]
    while pending:
        node = pending.pop()
        pending.extend(node.children)
        if node.name.endswith(("Conv3D", "convolution")):
            convolutions += node.float_ops
    cost = kc.count_cost(model)
    assert convolutions == 2 * (cost.macs - cost.of(transposed).macs)
    assert cost.of(transposed).macs == 8 * 8 * 4 * 8**3


def test_table_and_parts():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    cost = kc.count_cost(model)
    text = str(cost)
    assert "bottom_conv1" in text and f"{cost.macs:,}" in text
    assert len({len(line) for line in text.splitlines()}) == 1
    part = cost.of(["bottom_conv1"])
    assert part.params == part.per_layer[0].params == 27 * 2 * 2
    assert cost.to_dict()["macs"] == sum(
        row["macs"] for row in cost.to_dict()["per_layer"]
    )


def test_nested_models_are_counted():
    inner = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    image = keras.Input((8, 8, 8, 1))
    outer = keras.Model(image, inner(image))
    assert kc.count_cost(outer).macs == kc.count_cost(inner).macs


def test_unknown_sizes_message():
    model = kc.models.unet3d((None, 8, 8, 1), width=2, depth=1)
    with pytest.raises(ValueError, match="spatial sizes.*'stem_conv'"):
        kc.count_cost(model)


def test_measured_time():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    times = measure_forward(model, repeats=3)
    assert 0 < times["min_ms"] <= times["median_ms"] <= times["max_ms"]
