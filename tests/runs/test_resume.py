import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_cakes import _files
from keras_cakes._errors import RunError
from keras_cakes.runs.files import read_table
from keras_cakes.runs.resume import fit_resumable
from keras_cakes.training.recipes import compile_segmentation

CLASSES = ("background", "object")


def _model(learning_rate=0.05):
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 4, 1))
    model = keras.Model(image, keras.layers.Conv3D(2, 3, padding="same")(image))
    compile_segmentation(model, CLASSES, steps=8, learning_rate=learning_rate)
    return model


def _batches(start, steps):
    def draw(step):
        image = tf.random.stateless_normal((2, 4, 4, 4, 1), (0, step))
        return image, tf.cast(image[..., 0] > 0, "int32")

    return tf.data.Dataset.range(start, start + steps).map(draw)


def _fit(folder, **arguments):
    arguments = {"steps": 8, "steps_per_epoch": 2, **arguments}
    model = arguments.pop("model", None) or _model()
    return fit_resumable(model, _batches, folder=folder, verbose=0, **arguments)


class _Killed(Exception):
    pass


def _kill_after(epochs, monkeypatch):
    """Stops the run just before the checkpoint of an epoch appears."""
    replace = _files.os.replace
    seen = []

    def stop(source, target):
        if str(target).endswith("checkpoint.keras"):
            seen.append(target)
            if len(seen) > epochs:
                raise _Killed
        replace(source, target)

    monkeypatch.setattr(_files.os, "replace", stop)


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_interrupted_run_ends_alike(tmp_path, monkeypatch, epochs):
    whole = _fit(tmp_path / "whole")
    with monkeypatch.context() as patch:
        _kill_after(epochs, patch)
        with pytest.raises(_Killed):
            _fit(tmp_path / "killed")
    resumed = _fit(tmp_path / "killed")
    for a, b in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    tables = [
        read_table(tmp_path / name / "history.csv")
        for name in ("whole", "killed")
    ]
    assert tables[0] == tables[1]
    assert [row["step"] for row in tables[0]] == ["2", "4", "6", "8"]
    assert {"loss", "dice", "dice_object"} <= set(tables[0][0])
    assert list((tmp_path / "whole" / "tensorboard").rglob("events*"))


def test_finished_training_is_not_repeated(tmp_path):
    first = _fit(tmp_path)
    again = _fit(tmp_path)
    for a, b in zip(first.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_full_disk(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(_files.os, "fsync", full)
        with pytest.raises(RunError, match="history.csv.*No space left"):
            _fit(tmp_path)
    assert not (tmp_path / "checkpoint.keras").exists()
    _fit(tmp_path)
    assert len(read_table(tmp_path / "history.csv")) == 4


def test_damaged_checkpoint(tmp_path):
    (tmp_path / "checkpoint.keras").write_bytes(b"half a file")
    with pytest.raises(RunError, match="checkpoint.keras: a complete.*delete"):
        _fit(tmp_path)


def test_diverging_loss_is_an_error(tmp_path):
    with pytest.raises(RunError, match="a finite loss is expected.*nan"):
        _fit(tmp_path, model=_model(learning_rate=1e38))
    assert not (tmp_path / "checkpoint.keras").exists()


def test_steps_that_do_not_end_with_an_epoch_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`steps_per_epoch` is expected"):
        _fit(tmp_path, steps_per_epoch=3)


def test_schedule_of_the_paper():
    model = _model(learning_rate=0.01)
    schedule = keras.optimizers.schedules.PolynomialDecay(
        0.01, 40_000, end_learning_rate=0.0, power=0.9
    )
    config = model.optimizer.get_config()["learning_rate"]["config"]
    assert config["power"] == 0.9
    known = {10_000: 7.71890e-3, 20_000: 5.35887e-3, 39_999: 7.2135e-7}
    for step, rate in known.items():
        assert float(schedule(step)) == pytest.approx(rate, rel=1e-3)
