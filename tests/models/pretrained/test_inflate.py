"""A start from 2D weights answers as the 2D network does."""

import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.models import inflate_kernel

SIDE = 32


@pytest.fixture(scope="module")
def source():
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50(
        weights=None,
        classes=5,
        input_shape=(SIDE, SIDE, 3),
        classifier_activation=None,
    )
    # Statistics, scales and biases as after training.
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(0.1 * generator.normal(size=weight.shape))
        elif weight.name in ("gamma", "moving_variance"):
            weight.assign(generator.uniform(0.5, 1.5, size=weight.shape))
    return model


@pytest.fixture(scope="module")
def frame():
    generator = np.random.default_rng(1)
    return generator.normal(size=(1, SIDE, SIDE, 3)).astype("float32")


def _network(convolution, frames=8):
    return kc.models.resnet50_video(
        (frames, SIDE, SIDE, 3),
        5,
        convolution=convolution,
        strided="reduce",
    )


def _clip(frame, frames):
    return np.repeat(frame[:, None], frames, axis=1)


def _frame_logits(model, clip):
    inner = keras.Model(model.input, model.get_layer("frame_logits").output)
    return np.asarray(inner(clip))


def test_plane_network_is_the_same_function(source, frame):
    network = _network("2d")
    assert kc.inflate(source, network) == ()
    np.testing.assert_allclose(
        network(_clip(frame, 8)), source(frame), atol=1e-4
    )


def test_volume_network_is_the_same_function_away_from_the_ends(source, frame):
    # Sixteen layers of three frames each reach sixteen frames far.
    frames = 2 * 16 + 3
    network = _network("3d", frames)
    assert kc.inflate(source, network) == ()
    logits = _frame_logits(network, _clip(frame, frames))[:, 16:-16]
    expected = np.broadcast_to(np.asarray(source(frame))[:, None], logits.shape)
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def _collapsed(source, network):
    """The 2D network whose filters answer as the lines of `network` do."""
    twin = keras.models.clone_model(source)
    twin.set_weights(source.get_weights())
    for layer in network.layers:
        if isinstance(layer, kc.CakesConv3D):
            stage, block, _ = layer.name.removeprefix("stage").split("_")
            name = f"conv{int(stage) + 1}_block{int(block[5:]) + 1}_2_conv"
            kernel = np.array(twin.get_layer(name).kernel)
            lines = np.array(layer.assignment.channels) == "3x1x1"
            middle = kernel[..., lines].sum((0, 1))
            kernel[..., lines] = 0
            kernel[1, 1][:, lines] = middle
            twin.get_layer(name).kernel.assign(kernel)
    return twin


@pytest.mark.parametrize("kernel_set", ["video_1d2d", "video_1d2d3d"])
def test_sub_kernel_network_is_that_of_collapsed_filters(
    source, frame, kernel_set
):
    frames = 2 * 16 + 3
    network = _network(kernel_set, frames)
    assert kc.inflate(source, network) == ()
    logits = _frame_logits(network, _clip(frame, frames))[:, 16:-16]
    expected = np.asarray(_collapsed(source, network)(frame))[:, None]
    np.testing.assert_allclose(
        logits, np.broadcast_to(expected, logits.shape), atol=1e-4
    )


@pytest.mark.parametrize(
    ("kernel_set", "weights"),
    [
        (("1x3x3",), "separate"),
        (("1x3x3",), "shared"),
        # Crops of one kernel that lies in the middle.
        (("3x3x3", "1x3x3"), "shared"),
    ],
)
@pytest.mark.parametrize(
    ("priority", "aggregation"),
    [("performance", "sum"), ("cost", "auto"), ("cost", "sum")],
)
def test_supernets_start_as_the_2d_network(
    source, frame, priority, aggregation, kernel_set, weights
):
    # Each candidate then computes what the 2D filter does.
    specification = kc.models.SearchSpecification(
        kernel_set=kernel_set,
        priority=priority,
        aggregation=aggregation,
        candidate_kernels=weights,
    )
    network = _network(specification)
    assert kc.inflate(source, network) == ()
    np.testing.assert_allclose(
        network(_clip(frame, 8)), source(frame), atol=1e-4
    )


@pytest.mark.parametrize("aggregation", ["auto", "sum"])
def test_candidates_share_the_work_of_one(source, aggregation):
    """Behind a cost-priority layer, |S| equal candidates count as one."""
    image = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    x = keras.layers.Conv2D(4, 3, padding="same", name="mixed")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2D(3, 1, name="last")(x)
    plane = keras.Model(image, x)
    clip = keras.Input((9, 8, 8, 2))
    x = keras.layers.Conv3D(4, (1, 3, 3), padding="same", name="first")(clip)
    x = keras.layers.Conv3D(4, 3, padding="same", name="mixed")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv3D(3, 1, name="last")(x)
    supernet = kc.to_supernet(
        keras.Model(clip, x),
        ("3x3x3", "1x3x3"),
        priority="cost",
        aggregation=aggregation,
    )
    assert kc.inflate(plane, supernet) == ()
    frame = np.random.default_rng(0).normal(size=(1, 8, 8, 2))
    volume = supernet(np.repeat(frame[:, None], 9, axis=1))
    np.testing.assert_allclose(volume[:, 4], plane(frame), atol=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", kc.kernels.kernel_set("1d2d3d"))
def test_a_constant_answers_alike_in_each_orientation(name, axis):
    weights = np.random.default_rng(0).normal(size=(3, 3, 2, 4))
    kernel = inflate_kernel(weights, name, axis=axis)
    assert kernel.shape == (*name, 2, 4)
    np.testing.assert_allclose(
        kernel.sum((0, 1, 2)), weights.sum((0, 1)), atol=1e-5
    )


@pytest.mark.parametrize("convolution", ["planes", "volumes"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_volumes_in_each_orientation(axis, convolution):
    """A volume that is constant along an axis, away from its two ends."""

    def build(rank, sizes):
        image = keras.Input((9,) * rank + (2,))
        kind = getattr(keras.layers, f"Conv{rank}D")
        x = kind(4, sizes, padding="same", activation="relu", name="a")(image)
        x = keras.layers.BatchNormalization(name="norm")(x)
        x = kind(3, sizes, padding="same", name="b")(x)
        return keras.Model(image, x)

    sizes = [3, 3, 3]
    if convolution == "planes":
        sizes[axis] = 1
    plane, volume = build(2, 3), build(3, tuple(sizes))
    assert kc.inflate(plane, volume, axis=axis) == ()
    image = np.random.default_rng(0).normal(size=(1, 9, 9, 2))
    constant = np.stack([image] * 9, axis=axis + 1)
    middle = np.take(volume(constant), 4, axis=axis + 1)
    np.testing.assert_allclose(middle, plane(image), atol=1e-5)


def test_rules_of_code_and_paper():
    weights = np.random.default_rng(0).normal(size=(3, 3, 2, 4))
    cube = inflate_kernel(weights, "3x3x3")
    np.testing.assert_allclose(cube, np.stack([weights / 3] * 3), atol=1e-6)
    line = inflate_kernel(weights, "3x1x1")
    total = weights.sum((0, 1))
    np.testing.assert_allclose(line[:, 0, 0], [total / 3] * 3, atol=1e-6)
    line = inflate_kernel(weights, "3x1x1", rule="mean")
    np.testing.assert_allclose(line[:, 0, 0], [total / 9] * 3, atol=1e-6)
    # In the plane of depth and width.
    plane = inflate_kernel(weights, "3x1x3", axis=1)
    np.testing.assert_allclose(plane[:, 0], weights, atol=1e-6)


def test_channels_keep_their_filters():
    """Whatever the order of a layer's sub-kernels, filter o makes channel o."""
    source = keras.Sequential(
        [keras.Input((5, 5, 2)), keras.layers.Conv2D(3, 3, name="mixed")]
    )
    clip = keras.Input((5, 5, 5, 2))
    order = ["1x3x3", "3x3x3", "1x3x3"]
    layer = kc.CakesConv3D(3, 3, sub_kernels=order, name="mixed")
    target = keras.Model(clip, layer(clip))
    assert kc.inflate(source, target) == ()
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    np.testing.assert_allclose(
        kernel.sum(0), source.layers[0].kernel, atol=1e-6
    )


def test_what_stays_is_told(source):
    network = kc.models.resnet50_video((2, SIDE, SIDE, 3), 7, convolution="p3d")
    left = kc.inflate(source, network)
    lines = [x.name for x in network.layers if x.name.endswith("_line")]
    assert left == (*lines, "frame_logits")


def test_counterparts_that_do_not_fit_are_named(source):
    weights = np.zeros((3, 3, 1, 1))
    with pytest.raises(ValueError, match="`rule`.*rule='max'"):
        inflate_kernel(weights, "3x3x3", rule="max")
    with pytest.raises(ValueError, match="`axis`.*axis=3"):
        inflate_kernel(weights, "3x3x3", axis=3)
    with pytest.raises(ValueError, match="`kernel`.*5x5x5.*3, 3, 1, 1"):
        inflate_kernel(weights, "5x5x5")
    network = _network("2d", 1)
    with pytest.raises(ValueError, match="`names`.*'stem_conv' with 'absent'"):
        kc.inflate(source, network, names={"stem_conv": "absent"})
    names = {"stem_conv": "conv1_conv", "stem_norm": "conv2_block1_3_bn"}
    with pytest.raises(ValueError, match="'stem_norm'.*(64,).*(256,).*3_bn"):
        kc.inflate(source, network, names=names)
    with pytest.raises(ValueError, match="`strided`.*'both'"):
        kc.models.resnet50_video(strided="both")
