"""Five steps against the update rule of PyTorch, written in NumPy."""

import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.training.optimizers import DecayedSGD

RATE, MOMENTUM, DECAY = 0.1, 0.9, 0.05


def _reference(value, gradients, rate=RATE, decay=DECAY, clip=1.0):
    velocity = np.zeros_like(value)
    for gradient in gradients:
        velocity = MOMENTUM * velocity + clip * gradient + decay * value
        value = value - rate * velocity
    return value


@pytest.fixture
def gradients():
    return np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "rate", "decay"),
    [
        ("kernel", RATE, DECAY),
        ("bias", 2 * RATE, 0.0),
        ("gamma", RATE, 0.0),
        ("beta", RATE, 0.0),
    ],
)
def test_as_in_pytorch(gradients, name, rate, decay):
    start = np.array([1.0, -2.0, 3.0], "float32")
    variable = keras.Variable(start, name=name)
    optimizer = DecayedSGD(RATE, momentum=MOMENTUM, decay=DECAY)
    for gradient in gradients:
        optimizer.apply([gradient], [variable])
    np.testing.assert_allclose(
        variable.numpy(), _reference(start, gradients, rate, decay), rtol=1e-5
    )


def test_equals_torch(gradients):
    torch = pytest.importorskip("torch")
    start = np.array([1.0, -2.0, 3.0], "float32")
    ours = keras.Variable(start, name="kernel")
    theirs = torch.tensor(start, requires_grad=True)
    optimizer = DecayedSGD(
        RATE, momentum=MOMENTUM, decay=DECAY, global_clipnorm=0.5
    )
    peer = torch.optim.SGD(
        [theirs], lr=RATE, momentum=MOMENTUM, weight_decay=DECAY
    )
    for gradient in gradients:
        optimizer.apply([gradient], [ours])
        theirs.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_([theirs], 0.5)
        peer.step()
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-5)


def test_names_of_all_our_weights_are_known():
    """Rules go by names, so a new kind of weight has to show up here."""
    model = kc.models.residual_video((4, 8, 8, 1), 3, width=4, stages=1)
    found = {
        weight.name
        for source in (
            model,
            kc.to_supernet(model, "video_1d2d"),
            kc.replace(model, kc.uniform_configuration(model, "video_1d2d")),
        )
        for weight in source.trainable_weights
    }
    scales = {name for name in found if name in ("gamma", "beta", "bias")}
    assert scales == {"gamma", "beta", "bias"}
    assert all(name.startswith("kernel") for name in found - scales), found


def test_saved_and_loaded():
    optimizer = DecayedSGD(
        0.1, 0.8, decay=0.01, bias_rate=3.0, global_clipnorm=20.0
    )
    config = keras.saving.serialize_keras_object(optimizer)
    loaded = keras.saving.deserialize_keras_object(config)
    assert loaded.get_config() == optimizer.get_config()
    assert (loaded.decay, loaded.bias_rate) == (0.01, 3.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"decay": -1.0},
            "`decay` is expected to be a finite number of at least 0.*-1.0",
        ),
        (
            {"bias_rate": -1.0},
            "`bias_rate` is expected to be a finite number of at least 0",
        ),
        ({"weight_decay": 0.1}, "`weight_decay` is expected to be unset.*0.1"),
    ],
)
def test_arguments_that_cannot_train_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DecayedSGD(**arguments)
