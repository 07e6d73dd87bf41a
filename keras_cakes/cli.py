"""The command `keras-cakes`."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cakes import __version__
from keras_cakes.prepare_command import add_prepare
from keras_cakes.runs import RunError
from keras_cakes.settings import PRIORITIES
from keras_cakes.settings import VARIANTS
from keras_cakes.settings import SegmentationSettings
from keras_cakes.settings import read_settings

_STEPS = (
    "search",
    "derive",
    "train",
    "evaluate",
    "predict",
    "compare",
    "folds",
)

_DEMO = SegmentationSettings(
    data="phantom",
    patch_shape=(32, 32, 32),
    batch_size=4,
    width=8,
    depth=2,
    steps=120,
    search_steps=120,
    steps_per_epoch=20,
    aggregation="sum",
    # As strong over these few steps as 7e-4 over 600.
    lasso=3.5e-3,
    # A flip along depth or height turns one class of the phantom into the
    # other.
    flip=(2,),
    variants=("3d", "2d", "manual_1d2d3d", *PRIORITIES, "random"),
)
_QUICK = dataclasses.replace(
    _DEMO,
    cases=4,
    patch_shape=(16, 16, 16),
    width=4,
    steps=10,
    search_steps=10,
    steps_per_epoch=5,
    variants=("3d", *PRIORITIES, "random"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code.

    0 for success, 1 if `tables` misses a known count, 2 for an error of the
    input or the disk (one line on standard error), 130 when interrupted from
    the keyboard.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        print(
            "\nkeras-cakes: stopped; the same command goes on from here.",
            file=sys.stderr,
        )
        return 130
    except (OSError, RunError, ValueError) as error:
        if options.debug:
            raise
        print(f"keras-cakes: error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-cakes",
        description="Search, derive and train 3D networks of sub-kernels.",
    )
    parser.add_argument(
        "--version", action="version", version=f"keras-cakes {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo", help="the whole comparison on synthetic volumes"
    )
    demo.add_argument(
        "--quick", action="store_true", help="a few steps, to see it work"
    )
    _add_common(demo, output="runs/demo")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_run_demo)

    add_prepare(commands)
    segment = commands.add_parser(
        "segment", help="search and train on a folder of volumes"
    )
    steps = segment.add_subparsers(
        required=True, dest="step", metavar="{" + ",".join(_STEPS) + "}"
    )
    for step in _STEPS:
        command = steps.add_parser(step)
        _add_common(command, output=None)
        if step == "predict":
            _add_prediction(command)
            continue
        _add_settings(command)
        if step in ("search", "derive"):
            command.add_argument(
                "--priority", choices=PRIORITIES, default="performance"
            )
        if step == "folds":
            command.add_argument(
                "--folds",
                type=int,
                nargs="+",
                default=range(5),
                help="the folds (default: 0 1 2 3 4)",
            )
        if step in ("train", "evaluate"):
            command.add_argument("--variant", choices=VARIANTS, required=True)
        command.set_defaults(run=_run_segment)
    tables = commands.add_parser(
        "tables", help="the costs in the paper's tables, printed and counted"
    )
    tables.add_argument(
        "--debug", action="store_true", help="show the traceback of errors"
    )
    tables.set_defaults(run=_run_tables)
    return parser


def _add_prediction(command: argparse.ArgumentParser) -> None:
    command.add_argument("--variant", choices=VARIANTS, required=True)
    command.add_argument(
        "--image",
        type=Path,
        required=True,
        help="NIfTI file, or folder with one DICOM series",
    )
    command.add_argument(
        "--label",
        type=Path,
        required=True,
        help="NIfTI file to write, on the grid of the image",
    )
    command.set_defaults(run=_run_predict)


def _add_common(parser: argparse.ArgumentParser, output: str | None) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        default=output,
        required=output is None,
        help="run folder; a second start goes on where the first stopped"
        + (f" (default: {output})" if output else ""),
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of errors"
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """One flag per setting; the class holds defaults and meanings."""
    described = _descriptions()
    for field in dataclasses.fields(SegmentationSettings):
        flag = "--" + field.name.replace("_", "-")
        kind: dict[str, Any] = {"default": argparse.SUPPRESS}
        if field.name == "rotate":
            kind.update(type=_plane, nargs="*", metavar="PLANE")
        elif isinstance(field.default, tuple):
            text = isinstance(field.default[0], str)
            kind.update(type=str if text else int, nargs="*")
        elif field.name == "cases":
            kind.update(type=int)
        else:
            kind.update(type=type(field.default))
        parser.add_argument(
            flag,
            help=f"{described[field.name]} (default: {field.default})".replace(
                "%", "%%"
            ),
            **kind,
        )


def _descriptions() -> dict[str, str]:
    """What the docstring of the settings says of each."""
    described: dict[str, str] = {}
    name = ""
    for line in (SegmentationSettings.__doc__ or "").splitlines():
        entry = line.strip()
        head, colon, text = entry.partition(": ")
        if colon and head.isidentifier():
            name = head
            described[name] = text
        elif name and line.startswith(" " * 12):
            described[name] += f" {entry}"
    return described


def _plane(text: str) -> tuple[int, int]:
    first, second = (int(part) for part in text.split(","))
    return first, second


def _run_demo(options: argparse.Namespace) -> None:
    settings = dataclasses.replace(
        _QUICK if options.quick else _DEMO, seed=options.seed
    )
    _start(options, settings, "compare")


def _run_segment(options: argparse.Namespace) -> None:
    # A folder that holds a run knows its settings; flags may repeat them.
    known = options.output / "settings.json"
    values = read_settings(known) if known.is_file() else {}
    for field in dataclasses.fields(SegmentationSettings):
        if hasattr(options, field.name):
            value = getattr(options, field.name)
            values[field.name] = (
                tuple(value) if isinstance(value, list) else value
            )
    if "data" not in values:
        raise ValueError(
            "`--data` is expected to start a run: a folder in the layout of "
            "the Medical Segmentation Decathlon, or phantom. "
            f"Received: no --data, and no run in {options.output}"
        )
    _start(options, SegmentationSettings(**values), options.step)


def _run_predict(options: argparse.Namespace) -> None:
    from keras_cakes.prediction import predict_scan

    predict_scan(options.output, options.variant, options.image, options.label)
    print(options.label)


def _run_tables(options: argparse.Namespace) -> int:
    from keras_cakes.paper_tables import format_rows
    from keras_cakes.paper_tables import paper_rows

    rows = list(paper_rows())
    print(format_rows(rows))
    return 0 if all(row.is_exact for row in rows) else 1


def _start(
    options: argparse.Namespace, settings: SegmentationSettings, step: str
) -> None:
    import tensorflow as tf

    from keras_cakes.report import write_report
    from keras_cakes.segmentation import SegmentationRun

    # A run that was killed has to end with the same bits as one that was
    # not.
    tf.config.experimental.enable_op_determinism()
    if step == "folds":
        from keras_cakes.folds import cross_validate

        report = cross_validate(options.output, settings, options.folds)
        print(report.read_text(encoding="utf-8"))
        return
    run = SegmentationRun(options.output, settings)
    with run.folder.lock():
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
