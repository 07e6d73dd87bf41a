"""No public function takes a string or a number that it cannot use."""

import importlib
import inspect
import re
import types
from collections.abc import Callable
from collections.abc import Iterator

import pytest

from tests.guarantees import calls
from tests.guarantees.arguments import ARGUMENTS
from tests.guarantees.kinds import Checked

ROOMS = (
    "",
    ".kernels",
    ".layers",
    ".layers.path_normalization",
    ".models",
    ".cost",
    ".search",
    ".data",
    ".training",
    ".evaluation",
    ".runs",
    ".runs.resume",
    ".runs.settings",
)
# Records that functions of the package return: who reads one checks it.
RECORDS = {
    "CalibratedDecoder",
    "Case",
    "FrontPoint",
    "Clip",
    "ClipDataset",
    "ClipScores",
    "Cost",
    "Latency",
    "LayerCost",
    "Memory",
    "PackedClips",
    "PairedInterval",
    "PathSamples",
    "PreparedDataset",
    "Reconstruction",
    "Scan",
    "Timing",
    "VideoInfo",
    "Volume",
    "VolumeDataset",
}
# Steps and parts of a run, which its commands call; a run is made of settings
# that have been checked.
PARTS_OF_RUNS = (
    "RunSettings.",
    "SegmentationRun.",
    "SegmentationSettings.",
    "VideoRun.",
    "VideoSettings.",
)


def _public() -> Iterator[tuple[str, Callable]]:
    """Yields each public function, class and method with its name."""
    for room in ROOMS:
        module = importlib.import_module(f"keras_cakes{room}")
        own = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and getattr(value, "__module__", None) == module.__name__
        ]
        for name in getattr(module, "__all__", own):
            value = getattr(module, name)
            if isinstance(value, types.ModuleType) or not callable(value):
                continue
            if not inspect.isclass(value):
                yield name, value
            elif not issubclass(value, Exception):
                yield name, value
                for method in vars(value):
                    key = f"{name}.{method}"
                    if not key.startswith((*PARTS_OF_RUNS, f"{name}._")):
                        yield key, getattr(value, method)


def _plain_arguments(function: Callable) -> set[str]:
    """Returns the names of arguments that are strings or numbers."""
    names = set()
    for name, parameter in inspect.signature(function).parameters.items():
        kind = parameter.annotation
        text = getattr(kind, "__name__", kind)
        text = str(kind) if "|" in str(kind) else str(text)
        parts = {part.strip(" '\"") for part in text.split("|")}
        default = parameter.default
        is_plain = isinstance(default, str | int | float) and not isinstance(
            default, bool
        )
        is_path = "PathLike" in text or "Path" in parts
        if not is_path and (is_plain or parts & {"str", "int", "float"}):
            names.add(name)
    return names


FUNCTIONS = {key: function for key, function in _public() if callable(function)}
CHECKED = {
    key: {n: kind for n, kind in kinds.items() if isinstance(kind, Checked)}
    for key, kinds in ARGUMENTS.items()
}


def test_every_string_and_number_argument_is_in_the_list():
    missing = {}
    for key in sorted(set(FUNCTIONS) - RECORDS):
        function = FUNCTIONS[key]
        listed = set(ARGUMENTS.get(key, {}))
        known = set(inspect.signature(function).parameters)
        wrong = _plain_arguments(function) - listed
        # Those of Keras, or of `predict_volume`, go through.
        if not known & {"kwargs", "options"}:
            wrong |= listed - known
        if wrong:
            missing[key] = wrong
    assert not missing


def test_the_list_has_no_functions_that_are_gone():
    assert set(ARGUMENTS) <= set(FUNCTIONS)


# Whether the supernet is trained does not matter here.
@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
@pytest.mark.parametrize(
    "key", [key for key, kinds in CHECKED.items() if kinds]
)
def test_bad_values_are_refused_before_anything_is_done(
    key, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    function = FUNCTIONS[key]
    owner, _, method = key.partition(".")
    if owner in calls.OBJECTS and method:
        function = getattr(calls.OBJECTS[owner](), method)
    for name, kind in CHECKED[key].items():
        sentence = re.escape(kind.says.format(name=name)) + ".*eceived"
        for bad in kind.bad:
            arguments = {**calls.arguments_of(key, tmp_path), name: bad}
            with pytest.raises(ValueError, match=sentence):
                function(**arguments)
            assert not list(tmp_path.iterdir()), f"{name}={bad!r}"
