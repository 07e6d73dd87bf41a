import re

import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.search.shrinking import forecast

SHAPE = (8, 8, 8, 2)


def _model(planted=None, use_bias=False, normalization=True):
    """A network whose middle layer may have planted sub-kernels."""
    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv3D(
        6,
        3,
        padding="same",
        use_bias=use_bias,
        bias_initializer="random_normal",
        name="middle",
    )(x)
    if normalization:
        x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv3DTranspose(4, 2, strides=2, name="up")(x)
    x = keras.layers.Conv3D(3, 1, name="head")(x)
    model = keras.Model(image, x, name="mine")
    model.get_layer("stem").bias.assign(keras.random.normal((4,)))
    if normalization:
        norm = model.get_layer("norm")
        norm.moving_mean.assign(keras.random.normal((6,)))
        norm.moving_variance.assign(keras.random.uniform((6,), 0.5, 2))
    if planted:
        middle = model.get_layer("middle")
        embedded = kc.CakesConv3D(6, 3, sub_kernels=planted)
        embedded.build((None, *SHAPE[:-1], 4))
        middle.kernel.assign(embedded.kernel)
    return model


def _scans(count=6, seed=0):
    scans = np.random.default_rng(seed).normal(size=(count, *SHAPE))
    for axis in (1, 2, 3):
        scans += np.roll(scans, 1, axis)
    return scans.astype("float32") / 2


def _reconstruct(model, data=None, **arguments):
    data = _scans() if data is None else data
    return kc.search.reconstruct(
        model, data, verbose=0, **{"positions": 800, **arguments}
    )


PLANTED = ["3x3x3", "1x3x3", "3x1x3", "3x3x1", "3x1x1", "1x1x3"]


def test_planted_sub_kernels_cost_nothing_and_are_found():
    model = _model(PLANTED)
    found = _reconstruct(model)
    names = [str(kernel) for kernel in found.search_layers[0].kernel_set]
    scores = found.scores["middle"]
    for channel, kernel in enumerate(PLANTED):
        own = names.index(kernel)
        assert scores[own, channel] == pytest.approx(0, abs=1e-3)
        assert scores[0, channel] == 0 >= scores[:, channel].max()
    least = kc.count_cost(
        kc.replace(model, kc.Configuration({"middle": PLANTED}))
    ).macs
    configuration = found.derive({"macs": least})
    price = sum(found.price(configuration).values())
    assert price < 1e-3 * -scores.min(axis=0).sum()
    network = found.project(configuration)
    np.testing.assert_allclose(
        network(_scans(2, seed=9)), model(_scans(2, seed=9)), atol=0.02
    )


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("normalization", [False, True])
def test_full_kernels_compute_what_the_model_does(use_bias, normalization):
    model = _model(use_bias=use_bias, normalization=normalization)
    found = _reconstruct(model)
    full = kc.Configuration({"middle": {"3x3x3": 6}})
    assert found.price(full) == {"middle": 0}
    np.testing.assert_allclose(
        found.project(full)(_scans(2)), model(_scans(2)), atol=1e-3
    )


def test_prices_are_the_divergence_of_the_answers():
    """For one channel and a change that is small, in nats per case."""
    model = _model()
    middle = model.get_layer("middle")
    kernel = np.array(middle.kernel)
    kernel[[0, 2]] *= 0.05
    middle.kernel.assign(kernel)
    scans = _scans(32)
    found = _reconstruct(model, scans, cases=32, positions=6000)
    names = [str(kernel) for kernel in found.search_layers[0].kernel_set]
    price = -found.scores["middle"][names.index("1x3x3")]
    log_shares = keras.ops.log_softmax(model(scans))
    channels = np.argsort(-price)[:3]
    for channel in channels:
        configuration = kc.Configuration(
            {"middle": ["1x3x3" if o == channel else "3x3x3" for o in range(6)]}
        )
        network = found.project(configuration)
        after = keras.ops.log_softmax(network(scans))
        divergence = keras.ops.exp(log_shares) * (log_shares - after)
        total = np.array(keras.ops.sum(divergence)) / len(scans)
        assert price[channel] == pytest.approx(total, rel=0.5)


def test_fitted_weights_answer_better_than_cropped_ones():
    model, scans = _model(), _scans(16)
    found = _reconstruct(model, scans, positions=4000)
    configuration = found.derive({"macs": 0.6})
    expected = np.array(model(scans))
    cropped = kc.replace(model, configuration, weights="inherit")
    errors = [
        np.square(np.array(network(scans)) - expected).mean()
        for network in (found.project(configuration), cropped)
    ]
    assert errors[0] < 0.8 * errors[1]
    assert kc.count_cost(cropped).macs <= 0.6 * kc.count_cost(model).macs


def test_one_reconstruction_serves_every_budget_and_repeats_itself():
    model = _model()
    found, again = _reconstruct(model), _reconstruct(model)
    front = found.pareto(points=5)
    assert [p.score for p in front] == sorted(p.score for p in front)
    assert front[-1].share == 1 and front[-1].score == 0
    for point in front[:2]:
        assert found.derive({"macs": point.cost}) == point.configuration
        networks = [f.project(point.configuration) for f in (found, again)]
        for ours, theirs in zip(
            *[network.get_weights() for network in networks], strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    other = _reconstruct(model, seed=1)
    assert (other.scores["middle"] != found.scores["middle"]).any()
    assert sum(found.price(front[0].configuration).values()) == pytest.approx(
        -front[0].score
    )


def _two_layers():
    """Two layers of which the second can make up for the first."""
    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.Conv3D(6, 3, padding="same", name="first")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Conv3D(6, 3, padding="same", name="second")(x)
    outputs = keras.layers.Conv3D(3, 1, name="head")(x)
    model = keras.Model(image, outputs, name="mine")
    for variable in model.weights:
        value = 0.5 * keras.random.normal(variable.shape, seed=7)
        variable.assign(value)
    return model


def test_new_prices_are_errors_where_the_smaller_network_is():
    model, scans = _two_layers(), _scans(4)
    found = _reconstruct(model, scans, positions=2000)
    configuration = found.derive({"macs": 0.5})
    second = found.repriced(configuration)
    # The first layer reads what it has read before, up to another ridge.
    np.testing.assert_allclose(
        second.scores["first"], found.scores["first"], rtol=0.1, atol=0.5
    )
    # The second one reads what the first one has lost: even the full kernel
    # leaves an error, and no kernel leaves less than it.
    assert (second.scores["second"][0] < 0).all()
    assert (second.scores["second"] <= second.scores["second"][0] + 1e-6).all()
    # Against plain least squares on the values of the network itself.
    network = found.project(configuration)
    read = keras.Model(network.input, network.get_layer("relu").output)
    made = keras.Model(model.input, model.get_layer("second").output)
    sample = found.samples["second"]
    columns, targets = [], []
    for batch, positions in zip(found.batches, sample.positions, strict=True):
        padded = np.pad(np.array(read(batch)), [(0, 0), *3 * [(1, 1)], (0, 0)])
        for at, *place in positions:
            x, y, z = place
            box = padded[at, x : x + 3, y : y + 3, z : z + 3]
            columns.append(box[1].ravel())
            targets.append(np.array(made(batch))[at, x, y, z])
    design = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    _, rest, *_ = np.linalg.lstsq(design, np.array(targets), rcond=None)
    names = [str(kernel) for kernel in second.search_layers[1].kernel_set]
    np.testing.assert_allclose(
        -second.scores["second"][names.index("1x3x3")],
        rest / len(targets) * sample.information / 2,
        rtol=0.05,
    )


def test_a_second_round_costs_less_and_measures_nothing_twice(
    monkeypatch,
):
    model, scans = _two_layers(), _scans(4)
    found = _reconstruct(model, scans, positions=2000)
    configuration = None
    for rounds in (1, 2):
        before = configuration
        configuration = found.derive({"macs": 0.4}, rounds=rounds)
        network = found.project(configuration)
        assert kc.count_cost(network).macs <= 0.4 * kc.count_cost(model).macs
    second = found.repriced(before)
    prices = [
        sum(second.price(each).values()) for each in (before, configuration)
    ]
    assert prices[1] < prices[0]
    found.project(configuration)

    def work(*given, **options):
        raise AssertionError("work has begun")

    monkeypatch.setattr(
        "keras_cakes.search.shrinking.reconstruction.fit_in_order", work
    )
    # What was projected last is priced already.
    assert found.repriced(configuration).derive({"macs": 0.4})
    with pytest.raises(ValueError, match="`rounds` is expected"):
        found.derive({"macs": 0.4}, rounds=0)


def test_a_layer_of_few_positions_is_fitted_to_all_of_them():
    shape = (4, 4, 4, 16)
    image = keras.Input(shape)
    x = keras.layers.Conv3D(16, 3, padding="same", name="stem")(image)
    x = keras.layers.Conv3D(8, 3, padding="same", name="middle")(x)
    model = keras.Model(image, keras.layers.Conv3D(2, 1, name="head")(x))
    # Of NumPy, so that every backend has the same network.
    generator = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(0.3 * generator.normal(size=variable.shape))
    scans = generator.normal(size=(3, *shape)).astype("float32")
    found = kc.search.reconstruct(model, scans, output="softmax", verbose=0)
    sample = found.samples["middle"]
    # 192 positions, and 432 columns.
    assert sample.count == 192
    assert len({tuple(p) for p in sample.positions[0]}) == 128
    assert sum(w.sum() for w in sample.weights) == pytest.approx(1)
    assert sample.weights[0].max() > 1.5 * sample.weights[0].min()
    full = kc.Configuration({"middle": {"3x3x3": 8}})
    np.testing.assert_allclose(
        found.project(full)(scans), model(scans), atol=1e-2
    )
    fitted = found.project(found.derive({"macs": 0.75}))
    cropped = kc.replace(model, found.derive({"macs": 0.75}), weights="inherit")
    errors = [
        np.square(np.array(network(scans)) - np.array(model(scans))).mean()
        for network in (fitted, cropped)
    ]
    assert errors[0] < 0.8 * errors[1]


def test_prices_are_a_score_for_a_supernet_of_the_trained_network():
    model = _model()
    found = _reconstruct(model)
    supernet = kc.to_supernet(model, "0d1d2d3d", weights="inherit")
    chosen = kc.derive(supernet, found.scores, budget={"macs": 0.5})
    assert chosen == found.derive({"macs": 0.5})


def test_data_may_be_batches_in_any_form():
    model, scans = _model(), _scans(6)
    labels = np.zeros(6)
    cut = [scans[:2], scans[2:4], scans[4:]]
    found = _reconstruct(model, scans)
    for data in (
        cut,
        iter(cut),
        [(batch, labels[:2]) for batch in cut],
        {"image": scans},
        [{"image": batch} for batch in cut],
    ):
        other = _reconstruct(model, data)
        np.testing.assert_array_equal(
            other.scores["middle"], found.scores["middle"]
        )


@pytest.mark.tensorflow
def test_data_may_be_a_dataset_without_end():
    import tensorflow as tf

    model, scans = _model(), _scans(6)
    data = tf.data.Dataset.from_tensor_slices((scans, np.zeros(6)))
    found = _reconstruct(model, data.batch(4).repeat(), cases=6)
    assert [len(batch) for batch in found.batches] == [4, 2]


BAD = _scans(2)
BAD[1, 0, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((2, 8, 8, 2)), r"of shape \[\(None, 8, 8, 8, 2\)\].*batch 0"),
        ([_scans(2), _scans(2)[..., :1]], "batch 1 of shape"),
        (BAD, "batch 0 with 1 of 2048 values not finite"),
        (np.ones((2, *SHAPE)), "inputs that vary.*constant"),
        ([], "at least one batch"),
        (3, "arrays or an iterable of batches. Received: data=3"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, message):
    with pytest.raises(ValueError, match=f"`data` is expected.*{message}"):
        _reconstruct(_model(), data)


def test_a_budget_below_the_least_is_refused():
    found = _reconstruct(_model())
    with pytest.raises(ValueError, match="is expected to be at least .*0.01"):
        found.derive({"macs": 0.01})
    with pytest.raises(ValueError, match="kinds of cost that are known"):
        found.derive({"latency": 1.0})


def test_an_untrained_model_is_warned_of():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    with pytest.warns(UserWarning, match="`model` is expected to be trained"):
        _reconstruct(model, np.random.rand(2, 8, 8, 8, 1).astype("float32"))


def test_memory_that_is_not_free_is_refused(monkeypatch, caplog):
    caplog.set_level("INFO")
    _reconstruct(_model())
    assert re.search(
        r"Reconstructing 'mine' on 6 cases takes 0\.0\d GiB and about \d+ s, "
        r"and about \d+ s for each network",
        caplog.text,
    )
    monkeypatch.setattr(forecast, "free_memory", lambda: 1000)
    with pytest.raises(MemoryError, match="Fewer `cases`.*cases=6"):
        _reconstruct(_model())


def test_layers_of_dead_inputs_keep_their_weights():
    model = _model()
    stem = model.get_layer("stem")
    stem.set_weights(
        [np.zeros(w.shape) - 1 for w in stem.get_weights()[:1]]
        + [np.full(4, -100.0)]
    )
    found = _reconstruct(model)
    assert (found.scores["middle"] == 0).all()
    cheapest = found.derive({"macs": 0.6})
    network = found.project(cheapest)
    np.testing.assert_allclose(network(_scans(2)), model(_scans(2)), atol=1e-4)


def test_layers_that_are_called_twice_stay_and_are_named():
    image = keras.Input(SHAPE)
    twice = keras.layers.Conv3D(2, 3, padding="same", name="twice")
    x = keras.layers.Conv3D(
        2, 3, padding="same", name="stem", bias_initializer="ones"
    )(image)
    x = keras.layers.Conv3D(2, 3, padding="same", name="once")(twice(twice(x)))
    model = keras.Model(image, keras.layers.Conv3D(2, 1, name="head")(x))
    with pytest.warns(UserWarning, match=r"\['twice'\] stay as they are"):
        found = _reconstruct(model)
    network = found.project(found.derive({"macs": 0.8}))
    assert type(network.get_layer("twice")) is keras.layers.Conv3D
    assert isinstance(network.get_layer("once"), kc.CakesConv3D)
    with pytest.raises(ValueError, match="expected to be called once.*twice"):
        _reconstruct(model, layers=["twice"])


def test_layers_compute_in_the_precision_that_they_had():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = _model(PLANTED)
    finally:
        keras.config.set_dtype_policy(policy)
    found = _reconstruct(model)
    assert found.scores["middle"].dtype == "float64"
    network = found.project(found.derive({"macs": 0.7}))
    assert network.get_layer("middle").compute_dtype == "bfloat16"
    answers, expected = (
        np.array(keras.ops.cast(one(_scans(2)), "float32"))
        for one in (network, model)
    )
    assert np.abs(answers - expected).mean() < 0.2 * np.abs(expected).mean()
