import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.layers import CakesSearchConv3D
from keras_cakes.layers.path_normalization import PathNormalization
from keras_cakes.layers.regularizers import CostLasso
from tests.layers.layer_contract import check_layer

SHAPE = (2, 4, 5, 6, 3)
PATH = np.array([0, 1, 2, 3, 4, 5, 6, 1])


def _image(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def _layer(**arguments):
    layer = CakesSearchConv3D(8, 3, padding="same", **arguments)
    layer.build(SHAPE)
    return layer


def _candidate_outputs(layer, image):
    """The output of every candidate by Keras' own convolution."""
    outputs = []
    for weights, kernel in zip(layer.candidates, layer.kernel_set, strict=True):
        plain = keras.layers.Conv3D(
            layer.filters, tuple(kernel), padding="same", use_bias=False
        )
        plain.build(image.shape)
        plain.set_weights([np.array(weights)])
        outputs.append(np.array(plain(image)))
    return np.stack(outputs)


def _randomize(layer, seed=0):
    generator = np.random.default_rng(seed)
    normalization = layer.path_normalization
    shape = normalization.gamma.shape
    normalization.gamma.assign(generator.uniform(-2, 2, shape))
    normalization.beta.assign(generator.normal(size=shape))


@pytest.mark.parametrize("weights", ["separate", "shared"])
@pytest.mark.parametrize(
    ("priority", "aggregation", "normalization"),
    [
        *itertools.product(["performance"], ["sum"], ["batch", "instance"]),
        *itertools.product(
            ["cost"], ["sum", "concat"], ["batch", "instance", None]
        ),
    ],
)
def test_contract(priority, aggregation, normalization, weights, tmp_path):
    arguments = {
        "filters": 4,
        "kernel_size": 3,
        "strides": 2,
        "padding": "same",
        "kernel_set": ["3x3x3", "1x3x3", "3x1x1"],
        "priority": priority,
        "aggregation": aggregation,
        "normalization": normalization,
        "momentum": 0.8,
        "epsilon": 1e-4,
        "activation": "relu",
        "candidate_kernels": weights,
    }
    check_layer(CakesSearchConv3D, arguments, SHAPE, tmp_path)


def test_regularizer_survives_saving(tmp_path):
    image = keras.Input(SHAPE[1:])
    layer = CakesSearchConv3D(
        4, 3, kernel_set="1d", gamma_regularizer=CostLasso([1, 1, 1], 0.5)
    )
    model = keras.Model(image, layer(image))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array(loaded.losses[0]) == pytest.approx(0.5 * 3 * 4)


@pytest.mark.parametrize("weights", ["separate", "shared"])
@pytest.mark.parametrize("training", [True, False])
def test_performance_path_equals_the_chosen_candidates(training, weights):
    layer = _layer(
        priority="performance",
        momentum=0.9,
        epsilon=1e-5,
        candidate_kernels=weights,
    )
    _randomize(layer)
    image = _image()
    parts = _candidate_outputs(layer, image)
    normalization = layer.path_normalization
    gamma = np.array(normalization.gamma)
    path = PATH if training else np.abs(gamma).argmax(axis=0)
    layer.assign_path(PATH)
    outputs = np.array(layer(image, training=training))
    for channel, index in enumerate(path):
        values = parts[index][..., channel]
        mean, variance = (
            (values.mean(), values.var()) if training else (0.0, 1.0)
        )
        expected = (values - mean) / np.sqrt(variance + 1e-5)
        expected = expected * gamma[index, channel]
        expected += np.array(normalization.beta)[index, channel]
        np.testing.assert_allclose(outputs[..., channel], expected, atol=2e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("weights", ["separate", "shared"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("filters", [8, 14])
@pytest.mark.parametrize("strides", [1, 2])
def test_groups_of_a_balanced_path_equal_one_kernel(
    filters, strides, data_format, weights
):
    if data_format == "channels_first" and strides > 1:
        strides = (1, 2, 1)
    image = _image()
    if data_format == "channels_first":
        image = np.moveaxis(image, -1, 1)
    path = np.random.default_rng(0).permutation(np.arange(filters) % 7)
    results = []
    for draw in ("independent", "balanced"):
        keras.utils.set_random_seed(0)
        layer = CakesSearchConv3D(
            filters,
            3,
            strides=strides,
            padding="same",
            draw=draw,
            data_format=data_format,
            candidate_kernels=weights,
        )
        layer.build(image.shape)
        layer.is_grouped = draw == "balanced"  # whatever promises to be faster
        _randomize(layer)
        layer.assign_path(path)
        inputs = tf.constant(image)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(outputs**3)
        gradients = tape.gradient(loss, [inputs, *layer.trainable_variables])
        results.append([outputs, *gradients])
        results[-1] += layer.non_trainable_variables
    for one, grouped in zip(*results, strict=True):
        scale = max(1.0, np.abs(one).max())
        np.testing.assert_allclose(
            np.array(grouped) / scale, np.array(one) / scale, atol=1e-5
        )
        # What was not drawn has no gradient at all.
        np.testing.assert_array_equal(
            (np.array(one) == 0) <= (np.abs(grouped) < 1e-4 * scale), True
        )


@pytest.mark.tensorflow
def test_undrawn_candidates_of_groups_have_a_gradient_of_zero():
    layer = CakesSearchConv3D(14, 3, padding="same", draw="balanced")
    layer.build(SHAPE)
    layer.is_grouped = True
    path = np.arange(14) % 7
    layer.assign_path(path)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(_image(), training=True) ** 3)
    for index, gradient in enumerate(tape.gradient(loss, layer.candidates)):
        moved = np.abs(gradient).max(axis=(0, 1, 2, 3)) > 0
        np.testing.assert_array_equal(moved, path == index)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_groups_keep_what_is_not_finite_in_its_channel(value, data_format):
    layer = CakesSearchConv3D(
        14,
        3,
        padding="same",
        draw="balanced",
        normalization=None,
        data_format=data_format,
    )
    image = _image()
    axis = -1
    if data_format == "channels_first":
        image, axis = np.moveaxis(image, -1, 1), 1
    layer.build(image.shape)
    layer.is_grouped = True
    path = np.random.default_rng(0).permutation(np.arange(14) % 7)
    layer.assign_path(path)
    kernel = np.array(layer.candidates[path[3]])
    kernel[..., 3] = value
    layer.candidates[path[3]].assign(kernel)
    outputs = np.moveaxis(np.array(layer(image, training=True)), axis, 0)
    finite = np.isfinite(outputs.reshape(14, -1)).all(axis=1)
    np.testing.assert_array_equal(finite, np.arange(14) != 3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_candidate_that_does_not_run_harms_no_path(value, training):
    layer = _layer(priority="performance")
    path = PATH if training else np.zeros(8, int)
    layer.assign_path(PATH)
    idle = np.arange(7)[:, None] != path
    normalization = layer.path_normalization
    for state in (normalization.moving_mean, normalization.moving_variance):
        state.assign(np.where(idle, value, np.array(state)))
    normalization.beta.assign(np.where(idle, value, 0.0))
    for number, kernel in enumerate(layer.candidates):
        kernel.assign(np.where(idle[number], value, np.array(kernel)))
    assert np.isfinite(layer(_image(), training=training)).all()


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_a_path_leaves_out_of_a_shared_kernel_harms_it_not(value):
    layer = _layer(
        kernel_set="2d", candidate_kernels="shared", priority="performance"
    )
    layer.assign_path(np.arange(8) % 3)
    kernel = np.array(layer.full_kernel)
    # No 2D kernel has the corner.
    kernel[0, 0, 0] = value
    layer.full_kernel.assign(kernel)
    for training in (True, False):
        assert np.isfinite(layer(_image(), training=training)).all()


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_batch_that_is_not_finite_moves_only_statistics_of_its_path(value):
    layer = _layer(priority="performance")
    layer.assign_path(PATH)
    layer(_image() * value, training=True)
    drawn = np.arange(7)[:, None] == PATH
    for state in (
        layer.path_normalization.moving_mean,
        layer.path_normalization.moving_variance,
    ):
        np.testing.assert_array_equal(np.isfinite(np.array(state)), ~drawn)


def test_wide_layers_of_balanced_draws_are_grouped():
    def is_grouped(filters, **arguments):
        layer = CakesSearchConv3D(filters, 3, **arguments)
        layer.build((None, 8, 8, 8, filters))
        return layer.is_grouped

    assert is_grouped(256, draw="balanced")
    assert not is_grouped(16, draw="balanced")
    assert not is_grouped(256)
    assert not is_grouped(256, draw="balanced", groups=2)
    assert not is_grouped(256, draw="balanced", priority="cost")


@pytest.mark.tensorflow
def test_groups_need_balance():
    layer = CakesSearchConv3D(256, 3, draw="balanced", name="wide")
    layer.build((None, 8, 8, 8, 256))
    with pytest.raises(ValueError, match="at most 37.*'wide'.*\\[256\\]"):
        layer.assign_path(np.zeros(256, "int32"))
    assert layer.draw_counts().sum() == 0
    # A path that is drawn within a graph cannot be looked at.
    tf.function(lambda: layer.assign_path(tf.range(256) % 7))()
    assert layer.draw_counts().sum() == 256


@pytest.mark.tensorflow
def test_undrawn_paths_have_zero_gradient_and_keep_their_statistics():
    layer = _layer(priority="performance", momentum=0.9)
    _randomize(layer)
    layer.assign_path(PATH)
    image = _image()
    with tf.GradientTape() as tape:
        outputs = layer(image, training=True)
        loss = tf.reduce_sum(outputs**2 * tf.range(1.0, 9.0))
    gradients = tape.gradient(loss, layer.trainable_weights)
    drawn = np.arange(7)[:, None] == PATH
    kernels, (gamma, beta) = gradients[:7], gradients[7:]
    for index, gradient in enumerate(kernels):
        gradient = np.array(gradient)
        assert (gradient[..., ~drawn[index]] == 0.0).all()
        for channel in np.flatnonzero(drawn[index]):
            assert (gradient[..., channel] != 0.0).any()
    for gradient in (gamma, beta):
        assert (np.array(gradient)[~drawn] == 0.0).all()
        assert (np.array(gradient)[drawn] != 0.0).all()
    mean = np.array(layer.path_normalization.moving_mean)
    variance = np.array(layer.path_normalization.moving_variance)
    assert (mean[~drawn] == 0.0).all()
    assert (variance[~drawn] == 1.0).all()
    parts = _candidate_outputs(layer, image)
    for channel, index in enumerate(PATH):
        values = parts[index][..., channel]
        assert mean[index, channel] == pytest.approx(
            0.1 * values.mean(), abs=1e-5
        )
        assert variance[index, channel] == pytest.approx(
            0.9 + 0.1 * values.var(), rel=1e-4
        )


@pytest.mark.parametrize("weights", ["separate", "shared"])
@pytest.mark.parametrize("normalization", ["batch", "instance", None])
@pytest.mark.parametrize("training", [True, False])
def test_cost_priority_concatenates_or_sums(normalization, training, weights):
    concat, total = (
        _layer(
            priority="cost",
            aggregation=aggregation,
            normalization=normalization,
            epsilon=1e-5,
            candidate_kernels=weights,
        )
        for aggregation in ("concat", "sum")
    )
    _randomize(concat)
    total.set_weights(concat.get_weights())
    image = _image()
    parts = _candidate_outputs(concat, image)
    axes = {"batch": (1, 2, 3, 4), "instance": (2, 3, 4), None: ()}
    use_moving = normalization == "batch" and not training
    if normalization is not None and not use_moving:
        mean = parts.mean(axes[normalization], keepdims=True)
        variance = parts.var(axes[normalization], keepdims=True)
        parts = (parts - mean) / np.sqrt(variance + 1e-5)
    elif use_moving:
        parts = parts / np.sqrt(1 + 1e-5)
    shape = (7, 1, 1, 1, 1, 8)
    gamma = np.array(concat.path_normalization.gamma).reshape(shape)
    beta = np.array(concat.path_normalization.beta).reshape(shape)
    parts = parts * gamma + beta
    np.testing.assert_allclose(
        concat(image, training=training),
        np.concatenate(list(parts), axis=-1),
        atol=2e-5,
    )
    np.testing.assert_allclose(
        total(image, training=training), parts.sum(axis=0), atol=1e-4
    )


def test_instance_normalization_of_a_drawn_path_is_per_sample():
    layer = _layer(priority="performance", normalization="instance")
    layer.assign_path(PATH)
    image = _image()
    whole = layer(image, training=True)
    np.testing.assert_allclose(
        whole[:1], layer(image[:1], training=True), atol=1e-5
    )


def test_draws_are_counted():
    layer = _layer(priority="performance")
    for _ in range(3):
        layer.assign_path(PATH)
    expected = 3 * (np.arange(7)[:, None] == PATH)
    np.testing.assert_array_equal(layer.draw_counts(), expected)
    assert not _layer(priority="cost").draw_counts().any()


def test_shared_candidates_are_crops_of_one_kernel():
    layer = _layer(candidate_kernels="shared")
    assert [w.name for w in layer.trainable_weights] == [
        "kernel_3x3x3",
        "gamma",
        "beta",
    ]
    full = np.array(layer.full_kernel)
    for kernel, weights in zip(layer.kernel_set, layer.candidates, strict=True):
        trimmed = [slice(None) if n == 3 else slice(1, 2) for n in kernel]
        np.testing.assert_array_equal(weights, full[tuple(trimmed)])


@pytest.mark.tensorflow
def test_a_draw_moves_only_what_it_covers_of_a_shared_kernel():
    layer = _layer(candidate_kernels="shared")
    layer.assign_path(PATH)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(_image(), training=True) ** 3)
    moved = np.array(tape.gradient(loss, layer.full_kernel)) != 0
    for channel, index in enumerate(PATH):
        expected = np.zeros((3, 3, 3), bool)
        expected[layer.kernel_set[index].slices_in((3, 3, 3))] = True
        np.testing.assert_array_equal(
            moved[..., channel].any(axis=-1), expected
        )


@pytest.mark.parametrize("weights", ["separate", "shared"])
def test_kernel_is_that_of_the_best_path(weights):
    layer = _layer(priority="performance", candidate_kernels=weights)
    gamma = np.ones((7, 8))
    gamma[6] = -2.0
    layer.path_normalization.gamma.assign(gamma)
    kernel = np.array(layer.kernel)
    assert kernel.shape == (3, 3, 3, 3, 8)
    np.testing.assert_array_equal(
        kernel[1:2, 1:2, :], np.array(layer.candidates[6])
    )
    assert (kernel[0] == 0).all()


def test_channels_first():
    arguments = {"kernel_set": "1d", "priority": "performance"}
    last = CakesSearchConv3D(4, 3, **arguments)
    first = CakesSearchConv3D(4, 3, data_format="channels_first", **arguments)
    image = _image()
    last.build(image.shape)
    swapped = np.moveaxis(image, -1, 1)
    first.build(swapped.shape)
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(
        np.moveaxis(np.array(first(swapped, training=True)), 1, -1),
        last(image, training=True),
        atol=1e-4,
    )


def test_half_precision_keeps_the_scales_wide():
    layer = CakesSearchConv3D(4, 3, dtype="mixed_float16")
    image = 100.0 * _image()
    outputs = layer(image, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    assert np.isfinite(np.array(outputs)).all()
    assert layer.path_normalization.gamma.dtype == "float32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"priority": "speed"}, "`priority` is expected.*priority='speed'"),
        ({"aggregation": "mean"}, "`aggregation` is expected.*'mean'"),
        ({"normalization": "layer"}, "`normalization` is expected.*'layer'"),
        ({"kernel_set": "4d"}, "`kernel_set` is expected"),
        (
            {"candidate_kernels": "tied"},
            "`candidate_kernels` is expected.*candidate_kernels='tied'",
        ),
        ({"use_bias": True}, "`use_bias` is expected to be False"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CakesSearchConv3D(4, 3, **arguments)


@pytest.mark.tensorflow
def test_normalization_configuration_and_backend(monkeypatch):
    layer = PathNormalization("instance", momentum=0.5, axis=1)
    again = PathNormalization.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape((2, 3)) == (2, 3)
    assert not layer._is_synchronized()
    assert PathNormalization(synchronized=True)._is_synchronized()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert not layer._is_synchronized()


@pytest.mark.parametrize("kernels", ["separate", "shared"])
def test_a_configuration_with_the_old_name_of_an_argument_loads(kernels):
    config = _layer(candidate_kernels=kernels).get_config()
    assert config["candidate_kernels"] == kernels
    config["weights"] = config.pop("candidate_kernels")
    layer = CakesSearchConv3D.from_config(config)
    assert layer.candidate_kernels == kernels
    assert "weights" in config, "the caller's configuration stays"
