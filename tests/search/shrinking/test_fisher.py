import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.models.rewriting.walk import Walk
from keras_cakes.search.shrinking.calibration import fitted_calls
from keras_cakes.search.shrinking.fisher import Output
from keras_cakes.search.shrinking.fisher import outputs_of
from keras_cakes.search.shrinking.fisher import squared_gradients


def _model(channels=3, activation=None, last=()):
    inputs = keras.Input((4, 4, 4, 2))
    x = keras.layers.Conv3D(4, 3, activation="relu", name="first")(inputs)
    x = keras.layers.Conv3D(channels, 1, activation=activation, name="head")(x)
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x, name="mine")


@pytest.mark.parametrize(
    ("activation", "loss", "channels", "expected"),
    [
        ("softmax", None, 3, Output("softmax", True)),
        ("sigmoid", None, 1, Output("sigmoid", True)),
        (None, None, 3, Output("softmax", False)),
        (None, None, 1, Output("normal", False)),
        (None, "mse", 3, Output("normal", False)),
        (None, "mean_squared_error", 3, Output("normal", False)),
        (None, keras.losses.Huber(), 3, Output("normal", False)),
        (None, "binary_crossentropy", 3, Output("sigmoid", False)),
        (
            None,
            keras.losses.CategoricalCrossentropy(from_logits=True),
            1,
            Output("softmax", False),
        ),
        (None, kc.training.DiceCrossEntropy(), 3, Output("softmax", False)),
    ],
)
def test_what_an_output_describes(activation, loss, channels, expected):
    model = _model(channels, activation)
    if loss is not None:
        model.compile("sgd", loss)
    assert outputs_of(model, Walk(model)) == [expected]


def test_a_guess_is_logged_and_an_argument_decides(caplog):
    caplog.set_level("INFO")
    model = _model(last=[keras.layers.UpSampling3D(2)])
    assert outputs_of(model, Walk(model)) == [Output("softmax", False)]
    assert "is taken for the logits of a softmax, since" in caplog.text
    found = outputs_of(model, Walk(model), "sigmoid")
    assert found == [Output("sigmoid", False)]
    model = _model(last=[keras.layers.Softmax()])
    assert outputs_of(model, Walk(model)) == [Output("softmax", True)]


def _information(model, output, draws=400):
    """The mean of squared gradients over draws, at the head."""
    walk, generator = Walk(model), np.random.default_rng(0)
    scans = np.random.default_rng(1).normal(size=(1, 4, 4, 4, 2))
    names = set(fitted_calls(walk))
    total = 0
    for _ in range(draws):
        found = squared_gradients(
            walk,
            scans.astype("float32"),
            [output],
            names=names,
            generator=generator,
        )
        total = total + found["head"] / draws
    assert set(found) == {"first", "head"}
    logits = walk_logits(model, scans.astype("float32"))
    return total, logits


def walk_logits(model, scans):
    head = model.get_layer("head")
    activation, head.activation = head.activation, None
    value = np.array(model(scans))
    head.activation = activation
    return value


@pytest.mark.parametrize("is_probability", [False, True])
def test_gradients_are_those_of_a_softmax(is_probability):
    model = _model(3, "softmax" if is_probability else None)
    output = Output("softmax", is_probability)
    found, logits = _information(model, output)
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = shares * (1 - shares)
    np.testing.assert_allclose(found.mean(), expected.mean(), rtol=0.1)
    np.testing.assert_allclose(found, expected, rtol=0.5)


@pytest.mark.parametrize("is_probability", [False, True])
def test_gradients_are_those_of_a_sigmoid(is_probability):
    model = _model(2, "sigmoid" if is_probability else None)
    output = Output("sigmoid", is_probability)
    found, logits = _information(model, output)
    shares = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(found, shares * (1 - shares), rtol=0.5)


def test_gradients_are_those_of_a_regression():
    found, _ = _information(_model(2), Output("normal", False))
    np.testing.assert_allclose(found.mean(), 1, rtol=0.1)


def test_activations_stay_and_the_gradient_is_in_front_of_them():
    model = _model()
    walk = Walk(model)
    scans = np.ones((1, 4, 4, 4, 2), "float32")
    found = squared_gradients(
        walk,
        scans,
        [Output("softmax", False)],
        names={"first"},
        generator=np.random.default_rng(0),
    )["first"]
    first = model.get_layer("first")
    assert first.activation is keras.activations.relu
    off = np.array(first(scans)) == 0
    assert (found[off] == 0).all() and (found[~off] > 0).all()
