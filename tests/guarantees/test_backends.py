"""What works on every backend of Keras, and what says that it does not.

`make test-jax` and `make test-torch` run these tests on the other backends,
`make test` on TensorFlow.
"""

import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.layers import backends
from keras_cakes.search import PathLoss
from keras_cakes.search import importance

SHAPE = (2, 8, 8, 8, 1)


def _model():
    return kc.models.unet3d(SHAPE[1:], width=4, depth=1)


def _image():
    return np.random.default_rng(0).normal(size=SHAPE).astype("float32")


def _scores(supernet):
    generator = np.random.default_rng(0)
    return {
        layer.name: generator.normal(size=(len(layer.kernel_set), 4))
        for layer in supernet.search_layers
    }


@pytest.mark.parametrize("priority", ["performance", "cost"])
def test_conversion_derivation_replacement_folding_and_costs(
    priority, tmp_path
):
    model = _model()
    supernet = kc.to_supernet(model, priority=priority)
    assert np.isfinite(supernet.predict(_image(), verbose=0)).all()
    if priority == "performance":
        supernet.draw_path()
        assert sum(supernet.search_layers[0].draw_counts().sum(0)) == 4
    configuration = kc.derive(supernet, _scores(supernet), budget={"macs": 0.5})
    network = kc.replace(model, configuration)
    assert kc.count_cost(network).macs <= 0.5 * kc.count_cost(model).macs
    assert kc.cost.estimate_memory(network, SHAPE).total > 0
    np.testing.assert_allclose(
        kc.fold(network).predict(_image(), verbose=0),
        network.predict(_image(), verbose=0),
        atol=1e-4,
    )
    for each in (supernet, network):
        each.save(tmp_path / "saved.keras")
        loaded = keras.saving.load_model(tmp_path / "saved.keras")
        np.testing.assert_array_equal(
            loaded.predict(_image(), verbose=0),
            each.predict(_image(), verbose=0),
        )


def test_a_derived_network_trains():
    model = _model()
    network = kc.replace(model, kc.uniform_configuration(model, "1d2d3d"))
    network.compile(
        keras.optimizers.SGD(0.1),
        kc.training.DiceCrossEntropy(),
        metrics=[kc.training.DiceScore(["background", "one", "two"])],
    )
    label = (_image()[..., 0] > 0).astype("int32")
    losses = network.fit(_image(), label, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("action", "run"),
    [
        ("Training a supernet", lambda s: s.fit(_image(), _image())),
        ("Training a supernet", lambda s: s.train_on_batch(_image(), _image())),
        ("Evaluating a supernet", lambda s: s.evaluate(_image(), _image())),
        ("The loss of a path", lambda s: PathLoss(s, [])),
        ("The importance of a candidate", lambda s: importance(s, [])),
        ("Measuring time", kc.measure_latency),
        (
            "Measuring time",
            lambda s: kc.cost.LatencyTable(_model(), ["bottom_conv1"]),
        ),
        (
            "Measuring time",
            lambda s: kc.autotune(
                kc.models.unet3d(
                    SHAPE[1:], 3, convolution="1d2d3d", width=4, depth=1
                ),
                SHAPE,
            ),
        ),
    ],
)
def test_what_needs_tensorflow_says_so_in_one_sentence(
    action, run, monkeypatch
):
    supernet = kc.to_supernet(_model())
    supernet.compile("sgd", "mse")
    received = keras.backend.backend()
    if received == "tensorflow":
        received = "jax"
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    message = (
        f"^{action} is expected to run on Keras' TensorFlow backend .*"
        f"Received: backend='{received}'$"
    )
    with pytest.raises(RuntimeError, match=message):
        run(supernet)


@pytest.mark.tensorflow
def test_tensorflow_is_taken():
    backends.expect_tensorflow("Anything")
