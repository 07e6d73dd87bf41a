import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes import search
from keras_cakes.search.scores.sampling import PathSamples

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _data(seed=0):
    generator = np.random.default_rng(seed)
    image = generator.normal(size=(4, 8, 8, 8, 1)).astype("float32")
    # Whether a voxel is brighter than the one above it.
    label = (image > np.roll(image, 1, axis=2))[..., 0].astype("int32")
    return image, label


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 8, 1))
    x = keras.layers.Conv3D(4, 1, padding="same", name="first")(image)
    x = keras.layers.Conv3D(14, 3, padding="same", name="mixed")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Dropout(0.1, name="dropout")(x)
    return keras.Model(image, keras.layers.Conv3D(2, 1, name="last")(x))


@pytest.fixture(scope="module")
def supernet(model):
    supernet = kc.to_supernet(
        model, candidate_kernels="shared", draw="balanced", seed=0
    )
    supernet.compile(keras.optimizers.SGD(0.1, momentum=0.9), LOSS)
    supernet.fit(*_data(), batch_size=4, epochs=200, verbose=0)
    return supernet


def _axis_share(supernet, score, axis, rule):
    """Share of the channels of a derived network that span an axis."""
    found = kc.derive(supernet, score, rule=rule, budget={"macs": 0.4})
    counts = found["mixed"].counts
    spans = sum(n for k, n in counts.items() if k.split("x")[axis] == "3")
    return spans / sum(counts.values())


def test_sampled_paths_find_the_planted_axis(supernet):
    samples = search.sample_paths(supernet, [_data(1)], samples=100)
    assert samples.correlation() > 0.5
    scores = samples.scores()
    assert scores["mixed"].shape == (7, 14)
    # Diminishing returns, and no candidate that hurts.
    assert (scores["mixed"] >= 0).all()
    assert (np.diff(scores["mixed"], axis=1) <= 1e-12).all()
    shares = [_axis_share(supernet, scores, a, "layer") for a in range(3)]
    assert shares[1] > 0.9 > max(shares[0], shares[2])


def test_sampled_paths_are_those_of_their_seed(supernet):
    first, again, other = (
        search.sample_paths(supernet, [_data(1)], samples=10, seed=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.losses, again.losses)
    assert (first.losses != other.losses).any()


def test_importance_is_the_derivative_by_hand(model):
    supernet = kc.to_supernet(model, priority="cost", lasso=0.0)
    supernet.compile("sgd", LOSS)
    image, label = _data()
    gamma = supernet.search_layers[0].path_normalization.gamma

    def loss():
        # Dropout has to be the same for both.
        state = next(v for v in supernet.network.variables if "seed" in v.path)
        before = state.numpy()
        value = float(LOSS(label, supernet.network(image, training=True)))
        state.assign(before)
        return value

    found = search.importance(supernet, [(image, label)])["mixed"][2, 5]
    step = 1e-2
    values = []
    start = gamma.numpy()
    for sign in (-1, 1):
        changed = start.copy()
        changed[2, 5] += sign * step
        gamma.assign(changed)
        values.append(loss())
    gamma.assign(start)
    by_hand = abs(start[2, 5] * (values[1] - values[0]) / (2 * step))
    assert found == pytest.approx(by_hand, rel=0.05, abs=2e-6)


def test_path_loss_leaves_the_supernet_as_it_was(supernet):
    image, label = _data(1)
    before = [np.array(v) for v in supernet.variables]
    loss = search.PathLoss(supernet, [(image, label)])
    path = {"mixed": np.full(14, 5)}
    first, again = loss(path), loss(path)
    assert first == again
    assert first != loss({"mixed": np.full(14, 4)})
    for old, variable in zip(before, supernet.variables, strict=True):
        np.testing.assert_array_equal(old, variable, err_msg=variable.path)


def test_path_loss_is_that_of_the_path(model):
    supernet = kc.to_supernet(model, candidate_kernels="shared")
    supernet.compile("sgd", LOSS)
    image, label = _data()
    loss = search.PathLoss(supernet, [(image, label)])
    path = {"mixed": np.arange(14) % 7}
    found = loss(path)
    supernet.assign_path(path)
    outputs = supernet.network(image, training=True)
    assert found == pytest.approx(float(LOSS(label, outputs)), rel=0.05)


def test_kernel_energy_by_hand(model):
    supernet = kc.to_supernet(model)
    layer = model.get_layer("mixed")
    energy = search.kernel_energy(supernet, model)["mixed"]
    kernel = np.array(layer.kernel) ** 2
    assert energy.shape == (7, 14)
    np.testing.assert_allclose(energy[0], 1.0)
    total = kernel.sum(axis=(0, 1, 2, 3))
    np.testing.assert_allclose(
        energy[1], kernel[1:2].sum(axis=(0, 1, 2, 3)) / total, rtol=1e-5
    )
    np.testing.assert_allclose(
        energy[6], kernel[1, 1].sum(axis=(0, 1)) / total, rtol=1e-5
    )


def test_an_additive_loss_is_recovered():
    generator = np.random.default_rng(0)
    shares = {
        name: generator.dirichlet(np.ones(3), 200) for name in ("one", "two")
    }
    # Only the second candidate of the first layer helps, less and less.
    losses = 1.0 - 0.5 * np.sqrt(shares["one"][:, 1])
    samples = PathSamples({"one": 4, "two": 2}, shares, losses)
    scores = samples.scores(strength=1e-6)
    np.testing.assert_allclose(
        scores["one"][1], 0.5 * np.diff(np.sqrt(np.arange(5) / 4)), atol=1e-3
    )
    assert np.abs(scores["one"][[0, 2]]).max() < 1e-3
    assert np.abs(scores["two"]).max() < 1e-3
    assert samples.correlation(1e-6) > 0.999


def test_losses_of_chance_have_no_correlation():
    generator = np.random.default_rng(0)
    shares = {"one": generator.dirichlet(np.ones(3), 300)}
    noise = PathSamples({"one": 4}, shares, generator.normal(size=300))
    assert abs(noise.correlation()) < 0.2
    flat = PathSamples({"one": 4}, shares, np.ones(300))
    assert flat.correlation() == 0.0


def test_scores_refuse_supernets_and_models_that_do_not_fit(model, supernet):
    cost = kc.to_supernet(model, priority="cost")
    with pytest.raises(ValueError, match="performance priority.*'cost'"):
        search.PathLoss(cost, [_data()])
    with pytest.raises(ValueError, match="`batches` is expected.*none"):
        search.PathLoss(supernet, [])
    with pytest.raises(ValueError, match="`samples` is expected.*samples=9"):
        search.sample_paths(supernet, [_data()], samples=9)
    image = keras.Input((8, 8, 8, 1))
    other = keras.Model(
        image, keras.layers.Conv3D(2, 3, padding="same", name="mixed")(image)
    )
    with pytest.raises(ValueError, match="kernel of shape.*'mixed'"):
        search.kernel_energy(kc.to_supernet(model), other)
