"""Trains in a way that can be killed and resumed to the same result."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_cakes._errors import RunError
from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes.runs.files import read_json
from keras_cakes.runs.files import read_table
from keras_cakes.runs.files import write_atomic
from keras_cakes.runs.files import write_json
from keras_cakes.runs.files import write_table

# Values that `model.fit` takes.
VERBOSE = ("auto", 0, 1, 2, False, True)
# File of the random states, such as dropout's; `.keras` files lack them.
_SEEDS = "seeds.json"


def fit_resumable(
    model: keras.Model,
    batches: Callable[[int, int], Any],
    *,
    steps: int,
    steps_per_epoch: int,
    folder: Path,
    verbose: int | str = "auto",
) -> keras.Model:
    """Trains with `model.fit`, from the last checkpoint if there is one.

    After each epoch (a number of steps) `checkpoint.keras` holds the weights
    and the states of optimizer and search, `seeds.json` the random states,
    `history.csv` and `tensorboard/` the metrics. Batches depend on the step
    only. With deterministic ops, a training that was killed therefore ends
    with the same weights as one that was not.

    Args:
        model: A compiled model, as it is at the start of the run.
        batches: Returns the data set of a first step and a number of steps.
        steps: Number of training steps.
        steps_per_epoch: Steps from one checkpoint to the next; it is
            expected to divide `steps`.
        folder: Folder of the files.
        verbose: As in `model.fit`.

    Returns:
        The trained model: `model`, or the one that a checkpoint held.

    Raises:
        ValueError: If `steps_per_epoch` does not divide `steps`.
        RunError: If the checkpoint is damaged, the loss is not finite, or a
            file cannot be written.
    """
    choose("verbose", verbose, VERBOSE)
    whole("steps", steps, least=1)
    whole("steps_per_epoch", steps_per_epoch, least=1)
    if steps % steps_per_epoch:
        raise ValueError(
            "`steps_per_epoch` is expected to divide `steps`. Received: "
            f"steps_per_epoch={steps_per_epoch}, steps={steps}"
        )
    checkpoint = folder / "checkpoint.keras"
    if checkpoint.is_file():
        model = load_whole(checkpoint)
    done = int(model.optimizer.iterations)
    if done:
        _load_seeds(model, folder / _SEEDS, done)
    if done >= steps:
        return model
    model.fit(
        batches(done, steps - done),
        initial_epoch=done // steps_per_epoch,
        epochs=steps // steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        verbose=verbose,
        # The data have their own order; without this, Keras warns.
        shuffle=False,
        callbacks=[
            Recorder(checkpoint, folder / "history.csv", folder / _SEEDS),
            keras.callbacks.TensorBoard(
                str(folder / "tensorboard"), write_graph=False
            ),
        ],
    )
    return model


def load_whole(file: Path) -> keras.Model:
    """Loads a model that a run has saved.

    Args:
        file: The `.keras` file.

    Returns:
        The model, with its optimizer.

    Raises:
        RunError: If the file is damaged.
    """
    try:
        return keras.saving.load_model(file)
    # Zip, JSON, HDF5 and Keras each have errors of their own.
    except Exception as error:
        raise RunError(
            f"{file}: a complete model is expected; delete the file to "
            "train this part anew. Received: "
            f"{type(error).__name__}: {str(error)[:200]}"
        ) from error


def load_network(folder: Path, variant: str) -> keras.Model:
    """Loads a trained network of a run folder.

    Raises:
        RunError: If there is none, or it is damaged.
    """
    file = folder / "networks" / variant / "network.keras"
    if not file.is_file():
        raise RunError(
            f"{file}: a trained network is expected; run "
            f"`train --variant {variant}` first. Received: no such file"
        )
    return load_whole(file)


def finish_training(model: keras.Model, file: Path) -> None:
    """Writes a trained model; only then its checkpoint may go."""
    write_atomic(file, model.save)
    for name in ("checkpoint.keras", _SEEDS):
        (file.parent / name).unlink(missing_ok=True)


class Recorder(keras.callbacks.Callback):
    """Writes checkpoint and history after each epoch, each file whole.

    Args:
        checkpoint: The `.keras` file.
        history: The `.csv` file.
        seeds: The `.json` file of random states.
    """

    def __init__(self, checkpoint: Path, history: Path, seeds: Path):
        super().__init__()
        self.checkpoint = checkpoint
        self.history = history
        self.seeds = seeds
        self.rows: list[dict[str, Any]] = []

    def on_train_begin(self, logs=None):
        # A killed process may have written one row more than checkpoints.
        done = int(self.model.optimizer.iterations)
        rows = (
            read_table(self.history, ("step",))
            if self.history.is_file()
            else []
        )
        self.rows = [row for row in rows if int(row["step"]) <= done]

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not np.isfinite(values["loss"]):
            raise RunError(
                f"{self.checkpoint.parent}: a finite loss is expected; a "
                "smaller learning rate may help. Received: "
                f"loss={values['loss']} in epoch {epoch + 1}"
            )
        step = int(self.model.optimizer.iterations)
        self.rows.append({"epoch": epoch + 1, "step": step, **values})
        write_table(self.history, self.rows)
        _save_seeds(self.model, self.seeds, step)
        write_atomic(self.checkpoint, self.model.save)


def _seed_states(model: keras.Model) -> list[Any]:
    """Lists the random states of a model, which Keras does not save."""
    saved = {id(weight) for weight in model.weights}
    return [
        variable
        for variable in model.variables
        if id(variable) not in saved and "seed" in variable.name
    ]


def _save_seeds(model: keras.Model, file: Path, step: int) -> None:
    """Adds the random states of a step and keeps the step before.

    A process that is killed before it writes the next checkpoint goes on
    from the one before.
    """
    known = read_json(file) if file.is_file() else {}
    kept = dict(list(known.items())[-1:])
    states = [state.numpy().tolist() for state in _seed_states(model)]
    write_json(file, {**kept, str(step): states})


def _load_seeds(model: keras.Model, file: Path, step: int) -> None:
    try:
        states = json.loads(file.read_text("utf-8"))[str(step)]
        for variable, state in zip(_seed_states(model), states, strict=True):
            variable.assign(state)
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise RunError(
            f"{file}: the random states of step {step} are expected; delete "
            "the checkpoint beside it to train this part anew. Received: "
            f"{type(error).__name__}: {error}"
        ) from None
