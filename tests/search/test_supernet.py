import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import keras_cakes as kc

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _unet(**arguments):
    return kc.models.unet3d((8, 8, 8, 1), width=4, depth=2, **arguments)


def _data(samples=4):
    generator = np.random.default_rng(0)
    image = generator.normal(size=(samples, 8, 8, 8, 1)).astype("float32")
    return image, generator.integers(0, 3, (samples, 8, 8, 8))


def _compiled(model=None, optimizer=None, **arguments):
    supernet = kc.to_supernet(model or _unet(), **arguments)
    supernet.compile(optimizer or keras.optimizers.SGD(0.1), LOSS)
    return supernet


@pytest.mark.parametrize("draw", ["independent", "balanced"])
def test_drawn_frequencies_are_uniform(draw):
    supernet = kc.to_supernet(_unet(), draw=draw)

    @tf.function
    def draw_path():
        return supernet.draw_path()

    for _ in range(300):
        draw_path()
    counts = np.concatenate(
        [layer.draw_counts() for layer in supernet.search_layers], axis=1
    )
    assert (counts.sum(axis=0) == 300).all()
    total = counts.sum(axis=1)
    assert stats.chisquare(total).pvalue > 0.01
    # Per channel as well, at the level of all channels together.
    per_channel = stats.chisquare(counts, axis=0).pvalue
    assert per_channel.min() > 0.01 / counts.shape[1]


def test_balanced_draws_serve_each_candidate_equally():
    supernet = kc.to_supernet(_unet(), draw="balanced", kernel_set="video_1d2d")
    seen = []
    for _ in range(5):
        path = supernet.draw_path()
        for index in map(np.array, path.values()):
            counts = np.bincount(index, minlength=2)
            assert counts.max() - counts.min() <= 1
        seen.append(np.concatenate([np.array(p) for p in path.values()]))
    assert any((a != b).any() for a, b in zip(seen, seen[1:], strict=False))


def test_balanced_draws_group_wide_layers_without_retracing():
    image = keras.Input((4, 4, 4, 1))
    x = image
    for _ in range(3):
        x = keras.layers.Conv3D(128, 3, padding="same")(x)
    model = keras.Model(image, keras.layers.Conv3D(2, 3, padding="same")(x))
    supernet = kc.to_supernet(model, draw="balanced")
    assert all(layer.is_grouped for layer in supernet.search_layers)
    supernet.compile("sgd", "mse")
    traces = []
    step = supernet.train_step
    supernet.train_step = lambda data: traces.append(1) or step(data)
    inputs = np.random.default_rng(0).normal(size=(4, 4, 4, 4, 1))
    history = supernet.fit(
        inputs, np.zeros((4, 4, 4, 4, 2)), epochs=3, batch_size=2, verbose=0
    ).history
    assert len(traces) == 1
    assert np.isfinite(history["loss"]).all()
    counts = supernet.search_layers[0].draw_counts()
    assert (counts.sum(axis=0) == 6).all() and len(np.unique(counts)) > 1


def test_fit_draws_a_new_path_each_step_and_the_seed_repeats_it():
    def paths(seed):
        supernet = _compiled(seed=seed)
        found = []
        callback = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: found.append(
                np.concatenate(list(supernet.path.values()))
            )
        )
        supernet.fit(
            *_data(), batch_size=1, epochs=1, verbose=0, callbacks=[callback]
        )
        return np.array(found)

    first = paths(0)
    assert (first[0] != first[1]).any() and (first[1] != first[2]).any()
    np.testing.assert_array_equal(first, paths(0))
    assert (first != paths(1)).any()


def test_a_recorded_draw_replays_to_the_same_loss():
    supernet = _compiled(optimizer=keras.optimizers.SGD(0.0))
    image, label = _data()
    logs = supernet.train_on_batch(image, label, return_dict=True)
    record = supernet.path
    for _ in range(3):
        supernet.draw_path()
    other = LOSS(label, supernet(image, training=True))
    supernet.assign_path(record)
    replayed = LOSS(label, supernet(image, training=True))
    assert float(replayed) == pytest.approx(float(logs["loss"]), abs=1e-6)
    assert float(other) != pytest.approx(float(logs["loss"]), abs=1e-6)


def test_only_what_was_drawn_moves():
    supernet = _compiled(candidate_kernels="separate")
    layer = supernet.search_layers[0]
    before = [np.array(w) for w in layer.candidates]
    supernet.train_on_batch(*_data())
    drawn = np.arange(7)[:, None] == supernet.path[layer.name]
    for index, (old, new) in enumerate(
        zip(before, layer.candidates, strict=True)
    ):
        moved = (old != np.array(new)).any(axis=(0, 1, 2, 3))
        np.testing.assert_array_equal(moved, drawn[index])


def _size(model):
    return sum(np.prod(weight.shape) for weight in model.trainable_weights)


def test_shared_weights_are_those_of_the_plain_network():
    model = _unet()
    supernet = kc.to_supernet(model, candidate_kernels="shared")
    paths = sum(2 * 6 * layer.filters for layer in supernet.search_layers)
    # A scale and an offset for each of the seven candidates in place of one.
    assert _size(supernet) == _size(model) + paths


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "shared"),
        ({"priority": "cost"}, "separate"),
        ({"candidate_kernels": "separate"}, "separate"),
        ({"priority": "cost", "candidate_kernels": "shared"}, "shared"),
    ],
)
def test_kernels_follow_the_priority_unless_told(arguments, expected):
    layers = kc.to_supernet(_unet(), **arguments).search_layers
    assert {layer.candidate_kernels for layer in layers} == {expected}
    message = "`candidate_kernels` is.*'auto'.*candidate_kernels='own'"
    with pytest.raises(ValueError, match=message):
        kc.to_supernet(_unet(), **{**arguments, "candidate_kernels": "own"})


def test_penalty_is_the_lasso_computed_by_hand():
    supernet = _compiled(priority="cost", lasso=0.01)
    generator = np.random.default_rng(0)
    expected = 0.0
    costs = np.array([9, 3, 3, 3, 1, 1, 1]) / 13
    for layer in supernet.search_layers:
        gamma = generator.normal(size=(7, layer.filters))
        layer.path_normalization.gamma.assign(gamma)
        expected += 0.01 * (costs[:, None] * np.abs(gamma)).sum()
    assert float(supernet.penalty()) == pytest.approx(expected, rel=1e-5)
    image, label = _data()
    logs = supernet.evaluate(image, label, verbose=0, return_dict=True)
    data = float(LOSS(label, supernet(image)))
    assert logs["penalty"] == pytest.approx(expected, rel=1e-5)
    assert logs["data_loss"] == pytest.approx(data, rel=1e-5)
    assert logs["loss"] == pytest.approx(data + expected, rel=1e-5)


@pytest.mark.parametrize(
    "freeze",
    [
        lambda layers: [],
        lambda layers: layers,
        lambda layers: layers[:2],
        lambda layers: [layers[1].path_normalization],
        lambda layers: [layers[0].path_normalization.gamma],
    ],
    ids=["none", "all", "two", "normalization", "scales"],
)
def test_data_loss_is_the_compiled_loss_alone(freeze):
    supernet = kc.to_supernet(_unet(), priority="cost", lasso=0.5)
    for frozen in freeze(supernet.search_layers):
        frozen.trainable = False
    supernet.compile(keras.optimizers.SGD(0.0), LOSS)
    image, label = _data()
    expected = float(LOSS(label, supernet(image)))
    logs = supernet.evaluate(image, label, verbose=0, return_dict=True)
    assert logs["data_loss"] == pytest.approx(expected, rel=1e-4)
    expected = float(LOSS(label, supernet(image, training=True)))
    logs = supernet.train_on_batch(image, label, return_dict=True)
    assert float(logs["data_loss"]) == pytest.approx(expected, rel=1e-4)


def test_fit_takes_its_arguments_by_position_as_keras_does():
    supernet = _compiled()
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(set(logs))
    )
    supernet.fit(*_data(), 2, 2, 0, [callback], 0.5)
    assert len(seen) == 2 and "val_data_loss" in seen[0]


def test_logged_cost_is_that_of_the_derived_network():
    model = _unet()
    for priority in ("performance", "cost"):
        supernet = _compiled(model, priority=priority)
        history = supernet.fit(*_data(), epochs=1, verbose=0).history
        cost = kc.count_cost(kc.replace(model, kc.derive(supernet)))
        assert history["expected_params"][-1] == cost.params
        assert history["expected_macs"][-1] == cost.macs
        assert {"data_loss", "penalty", "loss"} <= set(history)


@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
def test_biases_of_replaced_layers_are_counted():
    image = keras.Input((8, 8, 8, 1))
    x = image
    for name in ("stem", "middle", "head"):
        x = keras.layers.Conv3D(2, 3, padding="same", name=name)(x)
    model = keras.Model(image, x)
    supernet = kc.to_supernet(model)
    cost = kc.count_cost(kc.replace(model, kc.derive(supernet)))
    expected = supernet.expected_cost()
    assert float(expected["expected_params"]) == cost.params


def test_unknown_sizes_leave_the_cost_out():
    model = kc.models.unet3d((None, None, None, 1), width=2, depth=1)
    supernet = _compiled(model)
    assert supernet.expected_cost() == {}
    history = supernet.fit(*_data(), epochs=1, verbose=0).history
    assert "expected_macs" not in history


@pytest.mark.parametrize("weights", ["separate", "shared"])
@pytest.mark.parametrize("priority", ["performance", "cost"])
def test_saved_supernet_goes_on_as_if_nothing_had_happened(
    priority, weights, tmp_path
):
    supernet = _compiled(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        priority=priority,
        candidate_kernels=weights,
    )
    supernet.fit(*_data(), batch_size=2, verbose=0, shuffle=False)
    supernet.save(tmp_path / "supernet.keras")
    loaded = keras.saving.load_model(tmp_path / "supernet.keras")
    for each in (supernet, loaded):
        each.fit(*_data(), batch_size=2, verbose=0, shuffle=False)
    for a, b in zip(supernet.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    # As trained ones, they derive without a warning.
    assert kc.derive(loaded) == kc.derive(supernet)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_and_clipping(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = _unet()
        for priority in ("performance", "cost"):
            supernet = _compiled(
                model,
                keras.optimizers.SGD(0.01, global_clipnorm=1.0),
                priority=priority,
            )
            history = supernet.fit(*_data(), epochs=2, verbose=0).history
            assert np.isfinite(history["loss"]).all()
    finally:
        keras.config.set_dtype_policy("float32")


def test_loss_falls():
    supernet = _compiled(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        draw="balanced",
        kernel_set="video_2d3d",
    )
    image, _ = _data()
    label = (image[..., 0] > 0).astype("int32")
    history = supernet.fit(image, label, epochs=40, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]


def test_a_supernet_refuses_draws_and_networks_that_do_not_fit():
    with pytest.raises(ValueError, match="`draw` is expected.*draw='even'"):
        kc.to_supernet(_unet(), draw="even")
    with pytest.raises(ValueError, match="CakesSearchConv3D layers"):
        kc.Supernet(_unet())
    network = kc.to_supernet(_unet(), draw="balanced").network
    with pytest.raises(
        ValueError, match="`draw='balanced'` is expected.*short"
    ):
        kc.Supernet(network)
    supernet = _compiled()
    assert supernet.compute_output_shape((1, 8, 8, 8, 1)) == (1, 8, 8, 8, 3)
