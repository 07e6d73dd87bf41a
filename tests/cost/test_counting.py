import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_cakes as kc


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
            keras.layers.SeparableConv2D(5, 3),
            (5, 6, 4),
            9 * 4 + 4 * 5 + 5,
            (9 * 4 + 4 * 5) * 3 * 4,
        ),
        (
            keras.layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2),
            (7, 7, 4),
            9 * 8 + 8,
            9 * 8 * 9,
        ),
        (keras.layers.Conv2D(6, 1, groups=2), (5, 5, 4), 18, 12 * 25),
        (
            keras.layers.EinsumDense("abc,cde->abde", (None, 2, 5)),
            (3, 4),
            40,
            3 * 40,
        ),
        (
            keras.layers.TimeDistributed(keras.layers.Conv2D(3, 3)),
            (6, 5, 5, 2),
            57,
            6 * 54 * 9,
        ),
        (keras.layers.Embedding(10, 4), (3,), 40, 0),
        (
            kc.layers.CakesSearchConv3D(4, 3, priority="cost"),
            (8, 8, 8, 2),
            63 * 8 + 2 * 7 * 4,
            63 * 8 * 216,
        ),
        (
            kc.layers.CakesSearchConv3D(4, 3, priority="performance"),
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


@pytest.mark.tensorflow
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


def test_sizes_may_be_given():
    model = kc.models.unet3d((None, 8, 8, 1), width=2, depth=1)
    with pytest.raises(ValueError, match="`input_shape`.*None, 8, 8"):
        kc.count_cost(model)
    known = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    cost = kc.count_cost(model, input_shape=(8, 8, 8, 1))
    assert cost.to_dict() == kc.count_cost(known).to_dict()


@pytest.mark.parametrize(
    ("layer", "elementwise"),
    [
        (keras.layers.BatchNormalization(), 2 * 256),
        (keras.layers.GroupNormalization(2), 2 * 256),
        (keras.layers.ReLU(), 256),
        (keras.layers.Activation("linear"), 0),
        (keras.layers.Activation("tanh"), 256),
        (keras.layers.MaxPooling3D(2), 256),
        (keras.layers.GlobalAveragePooling3D(), 256),
        (keras.layers.UpSampling3D(2), 8 * 256),
        (keras.layers.Dropout(0.5), 0),
        (keras.layers.Conv3D(3, 1), 3 * 64),
        (keras.layers.Conv3D(3, 1, use_bias=False, activation="relu"), 3 * 64),
        (kc.layers.CakesSearchConv3D(2, 3, padding="same"), 2 * 2 * 64),
        (
            kc.layers.CakesSearchConv3D(2, 3, padding="same", priority="cost"),
            2 * 7 * 2 * 64,
        ),
    ],
)
def test_elementwise(layer, elementwise):
    cost = _cost(layer, (4, 4, 4, 4))
    assert cost.elementwise == elementwise
    assert not cost.unknown


def test_merges_and_operations():
    a, b = keras.Input((4, 6)), keras.Input((6, 4))
    product = keras.ops.matmul(a, b)
    both = keras.layers.Add()([product, product, product])
    cost = kc.count_cost(keras.Model([a, b], both + product))
    assert cost.macs == 4 * 4 * 6
    assert cost.elementwise == 2 * 16 + 16
    dot = keras.layers.Dot(axes=(2, 1))([a, b])
    assert kc.count_cost(keras.Model([a, b], dot)).macs == 4 * 4 * 6
    einsum = keras.ops.einsum("bij,bjk->bik", a, b)
    assert kc.count_cost(keras.Model([a, b], einsum)).unknown == ("einsum",)


def test_attention_agrees_with_the_profiler():
    query, value = keras.Input((5, 8)), keras.Input((7, 6))
    layer = keras.layers.MultiHeadAttention(2, 3, value_dim=4)
    model = keras.Model([query, value], layer(query, value))
    by_hand = 5 * 8 * 6 + 7 * 6 * 6 + 7 * 6 * 8 + 5 * 8 * 8
    by_hand += 2 * 5 * 7 * (3 + 4)
    assert kc.count_cost(model).macs == by_hand


class Scaled(keras.layers.Layer):
    """A convolution and a scale of its own, as third parties write them."""

    def __init__(self, matrix=False, **kwargs):
        super().__init__(**kwargs)
        self.convolution = keras.layers.Conv3D(2, 3, name="convolution")
        self.matrix = matrix

    def build(self, input_shape):
        self.convolution.build(input_shape)
        shape = (2, 2) if self.matrix else (2,)
        self.scale = self.add_weight(name="scale", shape=shape)

    def call(self, inputs):
        outputs = self.convolution(inputs)
        return outputs @ self.scale if self.matrix else outputs * self.scale

    def compute_output_shape(self, input_shape):
        return self.convolution.compute_output_shape(input_shape)


def test_layers_inside_layers_are_found_and_the_rest_is_told():
    cost = _cost(Scaled(name="scaled"), (6, 6, 6, 1))
    assert cost.of(["scaled/convolution"]).macs == 27 * 2 * 64
    assert cost.params == 27 * 2 + 2 + 2
    # Who knows what a layer does with weights of its own?
    assert cost.unknown == ("(other weights)",)
    assert "?" in str(cost)


class Matrix(keras.layers.Layer):
    """Weights that no rule knows."""

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = shape

    def build(self, input_shape):
        self.weight = self.add_weight(shape=self.shape)

    def call(self, inputs):
        return inputs * self.weight


def test_unknown_layers():
    cost = _cost(Matrix((4, 4), name="matrix"), (4, 4))
    assert cost.unknown == ("matrix",) and cost.params == 16
    # Vectors can only scale or shift.
    cost = _cost(Matrix((4,), name="vector"), (4, 4))
    assert not cost.unknown and cost.elementwise == 16


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Conv3D(2, 3, name="first")
        self.blocks = [keras.layers.Conv3D(2, 1, name="second")]

    def call(self, inputs):
        x = self.first(inputs)
        for block in self.blocks:
            x = block(block(x))
        return x


def test_subclassed_sequential_and_shared():
    model = Subclassed()
    with pytest.raises(ValueError, match="`input_shape` is expected"):
        kc.count_cost(model)
    cost = kc.count_cost(model, input_shape=(6, 6, 6, 1))
    # The shared layer has its weights once and its work twice.
    assert cost.of(["second"]).params == 6
    assert cost.of(["second"]).macs == 2 * 4 * 64
    stack = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)])
    assert kc.count_cost(stack, input_shape=(4,)).macs == 18
    stack = keras.Sequential([keras.Input((4,)), *stack.layers])
    assert kc.count_cost(stack).params == 15 + 8


def test_a_fixed_batch_is_no_matter():
    image = keras.Input(batch_shape=(1, 4))
    fixed = keras.Model(image, keras.layers.Dense(3)(image))
    assert kc.count_cost(fixed).macs == 12
    image = keras.Input((4,))
    assert kc.count_cost(keras.Model(image, fixed(image))).macs == 12


def test_counting_leaves_the_model_as_it_was():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=2)
    before = {layer.name: set(vars(layer)) for layer in model.layers}
    kc.count_cost(model)
    for layer in model.layers:
        assert set(vars(layer)) == before[layer.name]
        assert len(layer._inbound_nodes) == 1


def test_several_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((None,), name="b")
    both = keras.layers.Concatenate()([a, keras.layers.Dense(2)(a)])
    model = keras.Model({"a": a, "b": b}, [both, b])
    assert kc.count_cost(model, input_shape=[(4,), (3,)]).macs == 8
    with pytest.raises(ValueError, match="hold 2 shapes.*[(]4,[)]"):
        kc.count_cost(model, input_shape=(4,))
    with pytest.raises(ValueError, match="`convention`.*'mine'"):
        kc.count_cost(model, convention="mine")


@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
def test_paths_of_a_supernet():
    model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=2)
    supernet = kc.to_supernet(model)
    path = supernet.draw_path()
    for chosen in (path, "argmax"):
        if chosen == "argmax":
            for layer in supernet.search_layers:
                scale = layer.path_normalization.gamma
                scale.assign(np.random.default_rng(0).normal(size=scale.shape))
            derived = kc.derive(supernet)
        else:
            derived = kc.Configuration(
                {
                    layer.name: [
                        str(layer.kernel_set[int(i)]) for i in path[layer.name]
                    ]
                    for layer in supernet.search_layers
                }
            )
        network = kc.count_cost(kc.replace(model, derived))
        counted = kc.count_cost(supernet, path=chosen)
        assert (counted.params, counted.macs) == (network.params, network.macs)
    with pytest.raises(ValueError, match="`path` is expected.*encoder0_conv1"):
        kc.count_cost(supernet, path={})
    supernet = kc.to_supernet(model, priority="cost")
    with pytest.raises(ValueError, match="see `Supernet.expected_cost`"):
        kc.count_cost(supernet, path="argmax")


@pytest.mark.tensorflow
# Multiply-adds in millions as the papers of these networks print them, where
# Keras' network is the paper's; the printed ones are rounded.
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("MobileNet", 569),
        ("MobileNetV2", 300),
        ("EfficientNetB0", 390),
        ("ResNet50", 3860),
        ("VGG16", 15500),
        ("DenseNet121", 2834),
        ("Xception", 8400),
        ("InceptionV3", 5710),
        ("ResNet50V2", 3480),
        ("MobileNetV3Small", 56),
        ("EfficientNetV2B0", 720),
        ("NASNetMobile", 564),
    ],
)
def test_networks_of_others(name, printed):
    # Nothing is allocated: counting needs no values.
    with keras.StatelessScope(initialize_variables=False):
        model = getattr(keras.applications, name)(weights=None)
    known = None not in model.input_shape[1:]
    cost = kc.count_cost(model, None if known else (224, 224, 3))
    assert cost.macs / 1e6 == pytest.approx(printed, rel=0.02)
    assert not cost.unknown
    statistics = ("moving_mean", "moving_variance", "mean", "variance")
    assert cost.params == sum(
        math.prod(weight.shape)
        for weight in model.weights
        if weight.name not in statistics and "float" in weight.dtype
    )
