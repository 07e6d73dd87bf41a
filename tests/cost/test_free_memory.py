import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_cakes as kc
from keras_cakes.cost import memory as capacity
from keras_cakes.cost.memory import batch_shape_of
from keras_cakes.cost.memory import free_memory

GIB = 2**30


@pytest.fixture
def machine(monkeypatch):
    """A machine with 8 GiB available and no accelerator."""
    monkeypatch.setattr(capacity, "available_memory", lambda: 8 * GIB)
    monkeypatch.setattr(capacity, "is_on_cpu", lambda: True)


def test_memory_of_the_machine(machine):
    assert free_memory() == 8 * GIB


def test_memory_of_an_accelerator_is_not_known(machine, monkeypatch):
    monkeypatch.setattr(capacity, "is_on_cpu", lambda: False)
    assert free_memory() is None


IMAGE = np.zeros((5, 4, 4, 4, 1), "float32")


class _Sequence(keras.utils.PyDataset):
    def __getitem__(self, index):
        return IMAGE, IMAGE

    def __len__(self):
        return 1


@pytest.mark.parametrize(
    ("data", "batch_size", "expected"),
    [
        (IMAGE, None, (5, 4, 4, 4, 1)),
        (IMAGE, 2, (2, 4, 4, 4, 1)),
        ([IMAGE, IMAGE[..., 0]], 2, [(2, 4, 4, 4, 1), (2, 4, 4, 4)]),
        (
            tf.data.Dataset.from_tensors((IMAGE, IMAGE)),
            None,
            (5, 4, 4, 4, 1),
        ),
        (tf.data.Dataset.from_tensors(IMAGE), None, (5, 4, 4, 4, 1)),
        (
            tf.data.Dataset.from_tensor_slices(IMAGE).batch(2),
            None,
            None,
        ),
        (
            tf.data.Dataset.from_tensor_slices(IMAGE).batch(
                2, drop_remainder=True
            ),
            None,
            (2, 4, 4, 4, 1),
        ),
        (_Sequence(), None, None),
        ((batch for batch in [IMAGE]), None, None),
        (None, None, None),
    ],
)
def test_batches_of_what_fit_takes(data, batch_size, expected):
    assert batch_shape_of(data, batch_size) == expected


@pytest.fixture
def supernet():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    supernet = kc.to_supernet(model, kernel_set="1d")
    supernet.compile("sgd", kc.training.DiceCrossEntropy())
    return supernet


DATA = (np.zeros((2, 8, 8, 8, 1), "float32"), np.zeros((2, 8, 8, 8), "int32"))


def test_fit_logs_the_memory_first(supernet, caplog, machine):
    caplog.set_level("INFO", "keras_cakes")
    supernet.fit(*DATA, verbose=2)
    stated = caplog.messages[0]
    assert stated.startswith(
        f"A training step of {supernet.name!r} takes about 0.00 GiB (weights "
    )
    assert stated.endswith("; 8.00 GiB are free.")
    caplog.clear()
    supernet.fit(*DATA, verbose=0)
    assert caplog.messages == []


def test_fit_refuses_what_does_not_fit(supernet):
    supernet.memory_limit = 2**16
    before = [np.array(weight) for weight in supernet.weights]
    with pytest.raises(MemoryError) as error:
        supernet.fit(*DATA, batch_size=1)
    for text in (
        "a step that fits into 0.00 GiB is expected",
        "A smaller batch or patch",
        "set `memory_limit`",
        "Received: batch_shape=(1, 8, 8, 8, 1)",
    ):
        assert text in str(error.value)
    for weight, kept in zip(supernet.weights, before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    supernet.memory_limit = 2**60
    supernet.fit(*DATA, batch_size=1, verbose=0)
    assert int(supernet.optimizer.iterations) == 2


def test_fit_is_silent_where_the_memory_is_not_known(
    supernet, caplog, monkeypatch
):
    caplog.set_level("INFO", "keras_cakes")
    batches = tf.data.Dataset.from_tensor_slices(DATA).batch(2)
    supernet.memory_limit = 1
    supernet.fit(batches, shuffle=False, verbose=2)
    assert caplog.messages == []
    supernet.memory_limit = None
    monkeypatch.setattr(capacity, "is_on_cpu", lambda: False)
    supernet.fit(*DATA, verbose=2)
    assert caplog.messages[0].endswith(").")


def test_a_memory_limit_is_saved(supernet, tmp_path):
    supernet.memory_limit = np.int64(5 * GIB)
    supernet.save(tmp_path / "supernet.keras")
    restored = keras.saving.load_model(tmp_path / "supernet.keras")
    assert restored.memory_limit == 5 * GIB
    config = supernet.get_config()
    assert type(supernet).from_config(config).memory_limit == 5 * GIB
    # As files of earlier versions have it.
    config = supernet.get_config()
    del config["memory_limit"]
    assert type(supernet).from_config(config).memory_limit is None


@pytest.mark.parametrize(
    "limit", [0, -1, float("nan"), float("inf"), "1", True, [1]]
)
def test_a_memory_limit_is_a_number_of_bytes(supernet, limit):
    with pytest.raises(ValueError, match="`memory_limit` .*number above 0"):
        supernet.memory_limit = limit
    assert supernet.memory_limit is None
