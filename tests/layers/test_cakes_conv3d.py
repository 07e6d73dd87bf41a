import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.layers import CakesConv3D
from keras_cakes.layers import CakesSearchConv3D
from keras_cakes.layers.plans.plan import bounding_box
from tests.layers.gradients import gradients
from tests.layers.layer_contract import check_layer
from tests.layers.reference import conv3d
from tests.layers.reference import embedded_kernel


@st.composite
def convolutions(draw):
    """Arguments and input sizes of any layer that `Conv3D` would take."""
    full = draw(st.tuples(*[st.integers(1, 7)] * 3))
    strided = draw(st.booleans())
    dilation = 1 if strided else draw(st.integers(1, 3))
    strides = draw(st.tuples(*[st.integers(1, 3)] * 3)) if strided else 1
    padding = draw(st.sampled_from(["same", "valid"]))
    least = [(k - 1) * dilation + 1 if padding == "valid" else 2 for k in full]
    sizes = [n + draw(st.integers(0, 4)) for n in least]
    allowed = [[s for s in range(1, k + 1) if s % 2 or s == k] for k in full]
    filters = draw(st.integers(1, 5))
    channels = [
        "x".join(str(draw(st.sampled_from(a))) for a in allowed)
        for _ in range(filters)
    ]
    arguments = {
        "filters": filters,
        "kernel_size": full,
        "strides": strides,
        "padding": padding,
        "dilation_rate": dilation,
        "sub_kernels": channels,
        "plan": draw(plans(channels)),
    }
    return arguments, sizes


@st.composite
def plans(draw, channels):
    """Any partition of the channels into boxes, each just large enough."""
    fixed = draw(st.sampled_from([None, "dense", "separate", "boxes"]))
    if fixed != "boxes":
        return fixed
    boxes = {}
    for name in channels:
        held = boxes.setdefault(draw(st.integers(0, 2)), {})
        held[name] = held.get(name, 0) + 1
    plan = []
    for held in boxes.values():
        size = bounding_box(map(SubKernel.parse, held))
        flat = size.depth == 1 or size.height == size.width == 1
        form = draw(st.sampled_from(["conv3d", "conv2d"][: 1 + flat]))
        plan.append({"size": str(size), "channels": held, "form": form})
    return plan


def _embedded(layer, arguments, shape):
    ours = ("sub_kernels", "plan")
    arguments = {k: v for k, v in arguments.items() if k not in ours}
    reference = keras.layers.Conv3D(**arguments)
    reference.build(shape)
    reference.set_weights([embedded_kernel(layer), np.array(layer.bias)])
    return reference


@settings(
    # JAX compiles each operation of each example.
    max_examples=250 if keras.backend.backend() == "tensorflow" else 8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(convolutions())
def test_equals_the_embedded_conv3d_with_gradients(case):
    arguments, sizes = case
    layer = CakesConv3D(**arguments, bias_initializer="normal")
    shape = (2, *sizes, 3)
    layer.build(shape)
    reference = _embedded(layer, arguments, shape)
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=shape).astype("float32")
    weights = generator.normal(size=layer.compute_output_shape(shape))
    weights = weights.astype("float32")
    outputs, by_inputs, by_weights = gradients(layer, inputs, weights)
    expected = gradients(reference, inputs, weights)
    np.testing.assert_allclose(outputs, expected[0], atol=1e-5)
    np.testing.assert_allclose(by_inputs, expected[1], atol=1e-5)
    # The gradient of each sub-kernel is that part of the full one.
    layer.set_weights(by_weights)
    inside = embedded_kernel(layer) != 0
    full = expected[2][0]
    scale = max(1.0, np.abs(full).max())
    np.testing.assert_allclose(
        embedded_kernel(layer) / scale, full * inside / scale, atol=1e-5
    )


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("place", ["inputs", "kernel", "bias"])
@pytest.mark.parametrize(
    "plan",
    [
        None,
        "dense",
        "separate",
        [
            {"size": "3x3x3", "channels": {"3x3x3": 10, "1x3x3": 3}},
            {"size": "1x3x3", "channels": {"1x3x3": 7, "1x1x3": 20}},
        ],
    ],
    ids=["rule", "dense", "separate", "boxes"],
)
def test_equals_conv3d_where_values_are_not_finite(plan, place, value):
    channels = ["1x1x3", "1x3x3", "1x1x3", "3x3x3"] * 10
    arguments = {
        "filters": 40,
        "kernel_size": 3,
        "padding": "same",
        "sub_kernels": channels,
        "plan": plan,
    }
    layer = CakesConv3D(**arguments, bias_initializer="normal")
    shape = (1, 5, 6, 7, 3)
    layer.build(shape)
    inputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    weights = layer.get_weights()
    if place == "inputs":
        inputs[0, 2, 3, 3, 1] = value
    elif place == "bias":
        weights[-1][4] = value
    else:
        weights[1][0, 1, 1, 2, 5] = value
    layer.set_weights(weights)
    outputs = np.array(layer(inputs))
    expected = np.array(_embedded(layer, arguments, shape)(inputs))
    # A zero of the embedded kernel times infinity is NaN in `Conv3D`; where
    # no such zero runs, the layer is finite.
    known = ~np.isnan(expected)
    np.testing.assert_allclose(outputs[known], expected[known], atol=1e-5)
    touched = ~np.isfinite(expected).all((0, 1, 2, 3))
    assert touched.sum() == (40 if place == "inputs" else 1)
    if place != "inputs":
        np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_equals_numpy():
    layer = CakesConv3D(3, 3, sub_kernels=["1x1x3", "3x3x3", "1x3x3"])
    image = np.random.default_rng(0).normal(size=(5, 4, 6, 2))
    outputs = layer(image[None].astype("float32"))
    np.testing.assert_allclose(
        outputs[0], conv3d(image, embedded_kernel(layer)), atol=1e-5
    )


def test_strided_centre_differs_from_a_one_wide_convolution():
    # With "same" and stride 2 on an even size, a full kernel of 3 is padded
    # at the end only, so its centre lies on voxels 1, 3, ...
    layer = CakesConv3D(
        1, 3, strides=2, padding="same", sub_kernels="1x1x1", use_bias=False
    )
    layer.build((1, 4, 4, 4, 1))
    layer.set_weights([np.ones((1, 1, 1, 1, 1))])
    image = np.arange(64.0).reshape(1, 4, 4, 4, 1)
    np.testing.assert_array_equal(
        np.array(layer(image))[0, ..., 0], image[0, 1::2, 1::2, 1::2, 0]
    )


@pytest.mark.parametrize(
    "sub_kernels",
    [
        {"3x3x3": 2, "1x3x3": 3, "1x1x3": 0},
        "1d2d3d",
        "1x3x3",
        ["1x3x3", "3x3x3", "1x3x3", "3x1x1", "1x1x1"],
    ],
)
@pytest.mark.parametrize("strides", [1, 2])
def test_contract(sub_kernels, strides, tmp_path):
    filters = 7 if sub_kernels == "1d2d3d" else 5
    arguments = {
        "filters": filters,
        "kernel_size": 3,
        "strides": strides,
        "padding": "same",
        "sub_kernels": sub_kernels,
        "activation": "relu",
        "kernel_initializer": "he_normal",
    }
    layer = check_layer(CakesConv3D, arguments, (2, 4, 5, 6, 3), tmp_path)
    assert len(layer.weights) == len(layer.assignment.kernels) + 1


def test_every_argument_survives_the_configuration():
    arguments = {
        "filters": 4,
        "kernel_size": (3, 5, 3),
        "strides": (1, 1, 1),
        "padding": "same",
        "data_format": "channels_first",
        "dilation_rate": (2, 1, 1),
        "groups": 2,
        "activation": "tanh",
        "use_bias": False,
        "kernel_regularizer": keras.regularizers.L2(0.1),
        "bias_regularizer": keras.regularizers.L1(0.1),
        "activity_regularizer": keras.regularizers.L1(0.2),
        "kernel_constraint": keras.constraints.NonNeg(),
        "bias_constraint": keras.constraints.NonNeg(),
        "name": "mixed",
        "sub_kernels": ["1x5x3", "3x5x3", "3x1x1", "3x1x1"],
        "plan": {"inference": "separate", "training": None},
    }
    layer = CakesConv3D(**arguments)
    again = CakesConv3D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.assignment.channels == tuple(arguments["sub_kernels"])
    assert again.groups == 2
    assert again.data_format == "channels_first"


@pytest.mark.parametrize("plan", ["dense", "separate"])
def test_channels_first(plan):
    arguments = {"filters": 4, "kernel_size": 3, "strides": 2}
    kernels = ["1x3x3", "3x1x1", "3x3x3", "1x3x3"]
    last = CakesConv3D(**arguments, sub_kernels=kernels, padding="same")
    first = CakesConv3D(
        **arguments,
        sub_kernels=kernels,
        padding="same",
        data_format="channels_first",
    )
    image = np.random.default_rng(0).normal(size=(2, 6, 5, 4, 3))
    last.build(image.shape)
    first.build((2, 3, 6, 5, 4))
    first.set_weights(last.get_weights())
    first.plan = plan
    np.testing.assert_allclose(
        np.moveaxis(np.array(first(np.moveaxis(image, -1, 1))), 1, -1),
        last(image),
        atol=1e-5,
    )


def test_groups():
    arguments = {"filters": 4, "kernel_size": 3, "groups": 2}
    layer = CakesConv3D(
        **arguments, sub_kernels=["1x3x3", "3x1x1", "3x3x3", "1x3x3"]
    )
    image = np.random.default_rng(0).normal(size=(1, 4, 4, 4, 6))
    layer.build(image.shape)
    reference = _embedded(layer, arguments, image.shape)
    np.testing.assert_allclose(layer(image), reference(image), atol=1e-5)


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_float16", 1e-2), ("mixed_bfloat16", 0.1)]
)
def test_half_precision(policy, tolerance):
    arguments = {"filters": 4, "kernel_size": 3, "padding": "same"}
    layer = CakesConv3D(
        **arguments, sub_kernels={"3x3x3": 2, "1x3x3": 2}, dtype=policy
    )
    image = np.random.default_rng(0).normal(size=(1, 4, 4, 4, 2))
    outputs = layer(image)
    dtype = keras.backend.standardize_dtype(outputs.dtype)
    assert dtype == policy.removeprefix("mixed_")
    reference = _embedded(layer, arguments, image.shape)
    np.testing.assert_allclose(
        keras.ops.cast(outputs, "float32"), reference(image), atol=tolerance
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2])
def test_unknown_sizes(padding, strides):
    layer = CakesConv3D(
        4,
        3,
        strides=strides,
        padding=padding,
        sub_kernels="1d",
        plan="separate",
    )
    image = keras.Input((None, None, None, 2))
    model = keras.Model(image, layer(image))
    for size in (5, 6):
        inputs = np.random.default_rng(0).normal(size=(1, size, 5, 6, 2))
        reference = keras.layers.Conv3D(4, 3, strides=strides, padding=padding)
        reference.build(inputs.shape)
        reference.set_weights([embedded_kernel(layer), np.array(layer.bias)])
        np.testing.assert_allclose(model(inputs), reference(inputs), atol=1e-5)


def test_each_sub_kernel_starts_with_its_own_fan_and_values():
    layer = CakesConv3D(
        64,
        3,
        sub_kernels={"3x3x3": 16, "1x3x3": 16, "3x1x1": 16, "1x1x3": 16},
        kernel_initializer="he_normal",
    )
    layer.build((None, 8, 8, 8, 32))
    deviations = [float(np.std(w)) for w in layer.sub_kernel_weights]
    expected = [np.sqrt(2 / (taps * 32)) for taps in (27, 9, 3, 3)]
    assert deviations == pytest.approx(expected, rel=0.05)
    line, other = layer.sub_kernel_weights[2:]
    assert not np.allclose(np.ravel(line), np.ravel(other))


def test_seeded_initializer_gives_distinct_repeatable_kernels():
    def kernels():
        layer = CakesConv3D(
            6,
            3,
            sub_kernels="1d",
            kernel_initializer=keras.initializers.HeNormal(seed=3),
        )
        layer.build((None, 4, 4, 4, 2))
        return [np.ravel(w) for w in layer.sub_kernel_weights]

    first, second = kernels(), kernels()
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first[0], first[1])
    layer = CakesConv3D(
        6, 3, sub_kernels="1d", kernel_initializer=lambda shape, dtype: 0.5
    )
    assert callable(layer.kernel_initializer)


@pytest.mark.tensorflow
def test_the_plan_of_a_phase_is_the_one_that_runs():
    layer = CakesConv3D(
        4,
        3,
        sub_kernels={"1x3x3": 2, "3x1x1": 2},
        plan={"inference": "separate", "training": "dense"},
    )
    inputs = np.zeros((1, 5, 5, 5, 2), "float32")
    layer(inputs)

    def convolutions(training):
        graph = tf.function(lambda x: layer(x, training=training))
        operations = graph.get_concrete_function(inputs).graph.get_operations()
        return sum(op.type == "Conv3D" for op in operations)

    assert (convolutions(False), convolutions(True)) == (2, 1)
    layer.plan = "separate"
    assert convolutions(True) == 2
    assert layer.get_config()["plan"] == "separate"


@pytest.mark.tensorflow
def test_a_flat_box_may_run_in_two_dimensions():
    boxes = [
        {"size": "1x3x3", "channels": {"1x3x3": 2}, "form": "conv2d"},
        {"size": "3x1x1", "channels": {"3x1x1": 2}, "form": "conv2d"},
    ]
    layer = CakesConv3D(4, 3, sub_kernels={"1x3x3": 2, "3x1x1": 2}, plan=boxes)
    inputs = np.random.default_rng(0).normal(size=(2, 5, 6, 7, 2))
    layer.build(inputs.shape)
    graph = tf.function(layer).get_concrete_function(inputs.astype("float32"))
    kinds = [op.type for op in graph.graph.get_operations()]
    assert (kinds.count("Conv2D"), kinds.count("Conv3D")) == (2, 0)
    assert layer.get_config()["plan"] == boxes
    reference = _embedded(layer, {"filters": 4, "kernel_size": 3}, inputs.shape)
    np.testing.assert_allclose(layer(inputs), reference(inputs), atol=1e-5)


def test_arguments_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="add up to `filters`.*filters=4"):
        CakesConv3D(4, 3, sub_kernels={"3x3x3": 3})
    with pytest.raises(ValueError, match="no larger than the full kernel"):
        CakesConv3D(4, 3, sub_kernels="5x1x1")
    with pytest.raises(ValueError, match="LoRA is expected.*lora_rank=2"):
        CakesConv3D(4, 3, lora_rank=2)
    with pytest.raises(ValueError, match="strides > 1"):
        CakesConv3D(4, 3, strides=2, dilation_rate=2)
    with pytest.raises(ValueError, match="'mine'.*hold each channel.*'3x3x3'"):
        CakesConv3D(
            2,
            3,
            sub_kernels="3x3x3",
            plan=[{"size": "3x3x3", "channels": {"3x3x3": 1}}],
            name="mine",
        )
    with pytest.raises(ValueError, match="one for each of.*{'training': None}"):
        CakesConv3D(2, 3, plan={"training": None})
    layer = CakesConv3D(4, 3, groups=2, name="grouped")
    with pytest.raises(ValueError, match="divisible by `groups`.*'grouped'"):
        layer.build((None, 4, 4, 4, 3))
    with pytest.raises(ValueError, match="LoRA is expected"):
        layer.enable_lora(2)
    layer = CakesConv3D(4, 3)
    with pytest.raises(ValueError, match="be known"):
        layer.build((None, 4, 4, 4, None))


# PyTorch looks for an attribute of its own then.
@pytest.mark.tensorflow
def test_a_layer_that_is_not_built_has_no_kernel():
    with pytest.raises(AttributeError, match="built before `kernel`"):
        CakesConv3D(4, 3).kernel  # noqa: B018


@pytest.mark.parametrize("layer_class", [CakesConv3D, CakesSearchConv3D])
def test_the_signature_shows_every_argument_of_conv3d(layer_class):
    shown = inspect.signature(layer_class.__init__).parameters
    for name, known in inspect.signature(
        keras.layers.Conv3D.__init__
    ).parameters.items():
        assert name in shown
        # The normalization behind a candidate has an offset of its own.
        if not (layer_class is CakesSearchConv3D and name == "use_bias"):
            assert shown[name].default == known.default
        assert shown[name].kind == known.kind


def test_arguments_are_taken_in_the_order_of_conv3d():
    layer = CakesConv3D(4, 3, 2, "same", "channels_first")
    plain = keras.layers.Conv3D(4, 3, 2, "same", "channels_first")
    for name in ("strides", "padding", "data_format"):
        assert getattr(layer, name) == getattr(plain, name)
