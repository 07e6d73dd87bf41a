"""What the commands of all kinds of runs share."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cakes.runs.settings import PRIORITIES
from keras_cakes.runs.settings import SYNTHETIC
from keras_cakes.runs.settings import RunSettings
from keras_cakes.runs.settings import Settings
from keras_cakes.runs.settings import read_settings


def add_output(
    parser: argparse.ArgumentParser,
    output: str | None,
    content: str = "run folder",
) -> None:
    """Adds a folder to write, with or without a default, and `--debug`."""
    parser.add_argument(
        "--output",
        type=Path,
        default=output,
        required=output is None,
        help=f"{content}; a second start goes on where the first stopped"
        + (f" (default: {output})" if output else ""),
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of errors"
    )


def add_steps(
    parser: argparse.ArgumentParser,
    names: Sequence[str],
    kind: type[RunSettings],
    run: Any,
) -> dict[str, argparse.ArgumentParser]:
    """Adds the steps of a run, each with a flag for every setting.

    Args:
        parser: Parser of the kind of run.
        names: Names of the steps.
        kind: Its settings; the class holds defaults and meanings.
        run: Function of the parsed options.

    Returns:
        The parser of each step.
    """
    steps = parser.add_subparsers(
        required=True, dest="step", metavar="{" + ",".join(names) + "}"
    )
    commands = {}
    for name in names:
        commands[name] = command = steps.add_parser(name)
        content = "folder of the pack" if name == "pack" else "run folder"
        add_output(command, None, content)
        command.set_defaults(run=run)
        if name in ("pack", "predict"):
            continue
        _add_settings(command, kind)
        if name in ("search", "derive"):
            command.add_argument(
                "--priority", choices=PRIORITIES, default="performance"
            )
        if name in ("train", "evaluate"):
            add_variant(command, kind)
    return commands


def add_variant(
    parser: argparse.ArgumentParser, kind: type[RunSettings]
) -> None:
    """Adds the choice of a network."""
    parser.add_argument(
        "--variant", choices=kind.known_variants(), required=True
    )


def settings_of(
    options: argparse.Namespace, kind: type[Settings], expected: str
) -> Settings:
    """The settings that a run folder knows, and those of the flags.

    Args:
        options: The parsed flags.
        kind: The kind of settings.
        expected: What `--data` is expected to be.

    Raises:
        ValueError: If there is neither a run nor `--data`, or `--data` may
            mean a folder as well as synthetic data.
    """
    given = {
        field.name: _value(getattr(options, field.name))
        for field in dataclasses.fields(kind)
        if hasattr(options, field.name)
    }
    data = given.get("data")
    if data in SYNTHETIC and Path(data).exists():
        raise ValueError(
            f"`--data` is expected to be clear: write ./{data} for the folder "
            f"or file of that name, synthetic:{data} for the synthetic data. "
            f"Received: --data {data}, and {Path(data).resolve()} exists"
        )
    known = options.output / "settings.json"
    if known.is_file():
        return dataclasses.replace(read_settings(kind, known), **given)
    if "data" not in given:
        raise ValueError(
            f"`--data` is expected to start a run: {expected}. Received: no "
            f"--data, and no run in {options.output}"
        )
    return kind(**given)


def take_step(options: argparse.Namespace, run: Any, write_report: Any) -> None:
    """Takes one step of a run and prints what came of it."""
    step = options.step
    with run.open():
        if step == "search":
            print(run.search(options.priority))
        elif step == "derive":
            print(run.derive(options.priority).to_json(), end="")
        elif step == "train":
            print(run.train(options.variant))
        elif step == "evaluate":
            print(run.evaluate(options.variant))
        else:
            run.complete()
            report = write_report(run)
            print(report.read_text(encoding="utf-8").split("\n## ")[1])
            print(f"Report and figures: {report}")


def make_deterministic() -> None:
    """A run that was killed has to end with the bits of one that was not."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def _add_settings(
    parser: argparse.ArgumentParser, kind: type[RunSettings]
) -> None:
    described = kind.descriptions()
    for field in dataclasses.fields(kind):
        flag = "--" + field.name.replace("_", "-")
        options: dict[str, Any] = {"default": argparse.SUPPRESS}
        default = field.default
        if field.name in ("rotate", "label_swaps"):
            options.update(type=_pair, nargs="*", metavar="A,B")
        elif isinstance(default, tuple):
            text = isinstance(default[0], str)
            options.update(type=str if text else int, nargs="*")
        elif isinstance(default, bool):
            options.update(action=argparse.BooleanOptionalAction)
        else:
            options.update(type=int if default is None else type(default))
        parser.add_argument(
            flag,
            help=f"{described[field.name]} (default: {default})".replace(
                "%", "%%"
            ),
            **options,
        )


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _pair(text: str) -> tuple[int, int]:
    first, second = (int(part) for part in text.split(","))
    return first, second
