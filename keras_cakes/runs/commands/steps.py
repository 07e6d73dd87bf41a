"""Adds the flags and takes the steps of a run, for every kind of run."""

import argparse
import dataclasses
import sys
import typing
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cakes.models.rewriting.specification import PRIORITIES
from keras_cakes.runs.run import SearchRun
from keras_cakes.runs.settings import RENAMED
from keras_cakes.runs.settings import RunSettings
from keras_cakes.runs.settings import kinds_of
from keras_cakes.runs.settings import read_settings
from keras_cakes.runs.shrink_report import write_shrink_report
from keras_cakes.runs.shrinking import CHOICES
from keras_cakes.runs.shrinking import Shrinking


def add_output(
    parser: argparse.ArgumentParser,
    content: str = "run folder",
    *,
    default: str | None = None,
) -> None:
    """Adds `--output`, required unless it has a default, and `--debug`."""
    parser.add_argument(
        "--output",
        type=Path,
        default=default,
        required=default is None,
        help=f"{content}; a second start goes on where the first stopped"
        + (f" (default: {default})" if default else ""),
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of errors"
    )


@dataclasses.dataclass(frozen=True)
class Kind:
    """Describes a kind of run to its command.

    Args:
        settings: Class of its settings, with their defaults and descriptions.
        run: Makes a run of a folder and settings.
        write_report: Writes the report of a run.
        label: Name of the main score.
        data: Values of `--data`, in words.
    """

    settings: type[RunSettings]
    run: Callable[[Path, Any], SearchRun]
    write_report: Callable[[Any], Path]
    label: str
    data: str


def add_steps(
    parser: argparse.ArgumentParser, names: Sequence[str], kind: Kind
) -> dict[str, argparse.ArgumentParser]:
    """Adds the steps of a run, each with a flag for every setting.

    Args:
        parser: Parser of the kind of run.
        names: Names of the steps.
        kind: The kind of run.

    Returns:
        The parser of each step.
    """
    steps = parser.add_subparsers(
        required=True, dest="step", metavar="{" + ",".join(names) + "}"
    )
    commands = {}
    for name in names:
        commands[name] = command = steps.add_parser(name)
        add_output(
            command, "folder of the pack" if name == "pack" else "run folder"
        )
        command.set_defaults(run=_run, kind=kind)
        if name not in ("pack", "predict"):
            _add_settings(command, kind.settings)
        if name in ("search", "derive"):
            command.add_argument(
                "--priority", choices=PRIORITIES, default="performance"
            )
        if name in ("train", "evaluate", "predict"):
            variants = kind.settings.known_variants()
            command.add_argument("--variant", choices=variants, required=True)
        if name == "shrink":
            _add_shrink(command, kind.settings.known_variants())
    return commands


def _add_shrink(
    command: argparse.ArgumentParser, variants: Sequence[str]
) -> None:
    command.add_argument(
        "--variant",
        choices=variants,
        default="3d",
        help="the trained network of the run (default: 3d)",
    )
    command.add_argument(
        "--budgets",
        type=float,
        nargs="+",
        default=(0.5, 0.25),
        help="shares of its multiply-adds (default: 0.5 0.25)",
    )
    command.add_argument(
        "--choices",
        choices=CHOICES,
        nargs="+",
        default=("shrink", "random"),
        help="who chooses the sub-kernels (default: shrink random)",
    )
    command.add_argument(
        "--finetune-steps",
        type=int,
        default=0,
        help="training steps of each smaller network (default: 0)",
    )
    command.add_argument(
        "--draws",
        type=int,
        default=1,
        help="random configurations of each budget, one of which is tuned "
        "(default: 1)",
    )
    command.set_defaults(run=_shrink)


def _shrink(options: argparse.Namespace) -> None:
    make_deterministic()
    kind = options.kind
    shrinking = Shrinking(
        kind.run(options.output, settings_of(options)),
        options.variant,
        budgets=options.budgets,
        choices=options.choices,
        finetune_steps=options.finetune_steps,
        draws=options.draws,
    )
    shrinking.complete()
    report = write_shrink_report(shrinking, label=kind.label)
    print(report.read_text(encoding="utf-8").split("\n## ")[1])
    print(f"Report and figure: {report}")


def _run(options: argparse.Namespace) -> None:
    run = options.kind.run(options.output, settings_of(options))
    take_step(options, run, options.kind.write_report)


def settings_of(options: argparse.Namespace) -> Any:
    """Reads the settings of a run folder, and changes those with a flag.

    Raises:
        ValueError: If there is neither a run nor `--data`, or `--data` may
            mean a folder as well as synthetic data.
    """
    kind = options.kind.settings
    given = {
        field.name: _value(getattr(options, field.name))
        for field in dataclasses.fields(kind)
        if hasattr(options, field.name)
    }
    data = given.get("data", "")
    if data in kind.synthetic and Path(data).exists():
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
            f"`--data` is expected to start a run: {options.kind.data}. "
            f"Received: no --data, and no run in {options.output}"
        )
    return kind(**given)


def take_step(
    options: argparse.Namespace,
    run: SearchRun,
    write_report: Callable[[Any], Path],
) -> None:
    """Takes one step of a run and prints its result."""
    make_deterministic()
    if options.step == "search":
        print(run.search(options.priority))
    elif options.step == "derive":
        print(run.derive(options.priority).to_json(), end="")
    elif options.step == "train":
        print(run.train(options.variant))
    elif options.step == "evaluate":
        print(run.evaluate(options.variant))
    else:
        with run.open():
            run.complete()
            report = write_report(run)
        print(report.read_text(encoding="utf-8").split("\n## ")[1])
        print(f"Report and figures: {report}")


def make_deterministic() -> None:
    """Makes a run that was killed end with the bits of one that was not."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


class _Renamed(argparse.Action):
    """Stores the value of an old flag under its new name."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(
            f"keras-cakes: `{option_string}` is `{_flag(self.dest)}` now; the "
            "old name goes with the next release.",
            file=sys.stderr,
        )
        setattr(namespace, self.dest, values)


def _add_settings(
    parser: argparse.ArgumentParser, kind: type[RunSettings]
) -> None:
    """Adds a flag for each setting; its annotation says how it is read."""
    described = kind.descriptions()
    annotations = kind.annotations()
    for field in dataclasses.fields(kind):
        text = f"{described[field.name]} (default: {field.default})"
        parser.add_argument(
            _flag(field.name),
            default=argparse.SUPPRESS,
            help=text.replace("%", "%%"),
            **_reading(annotations[field.name]),
        )
    for old, new in RENAMED.items():
        parser.add_argument(
            _flag(old),
            dest=new,
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
            action=_Renamed,
        )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _reading(annotation: Any) -> dict[str, Any]:
    """Returns the arguments of `add_argument` for a type of settings."""
    kind = kinds_of(annotation)[0]
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if kind is not tuple:
        return {"type": kind}
    item = typing.get_args(annotation)[0]
    if kinds_of(item)[0] is tuple:
        return {"type": _pair, "nargs": "*", "metavar": "A,B"}
    return {"type": item, "nargs": "*"}


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _pair(text: str) -> tuple[int, int]:
    first, second = (int(part) for part in text.split(","))
    return first, second
