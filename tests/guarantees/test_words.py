"""The words of the public face: signatures, first words, the reference."""

import ast
import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest

import keras_cakes as kc

ROOT = Path(__file__).parents[2]
ROOMS = (
    "kernels",
    "layers",
    "models",
    "cost",
    "search",
    "data",
    "training",
    "evaluation",
    "runs",
)
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
FILES = sorted((ROOT / "keras_cakes").rglob("*.py"))

# What may take more than two arguments by position, and why.
MORE_BY_POSITION = {
    "keras_cakes.kernels.SubKernel": "a named tuple of three sizes",
    "keras_cakes.layers.CakesConv3D": "the order of `keras.layers.Conv3D`",
    "keras_cakes.layers.CakesSearchConv3D": "the order of `Conv3D`",
}
# Words that begin a clause, not a sentence.
FIRST_WORDS = (
    "What",
    "Which",
    "Whether",
    "How",
    "Where",
    "That",
    "Those",
    "Who",
)


def _public():
    """Yields each public function and class of the package, by its path."""
    names = [name for name in kc.__all__ if name not in ROOMS]
    rooms = [("keras_cakes", kc, names)]
    for room in ROOMS:
        module = getattr(kc, room)
        rooms.append((f"keras_cakes.{room}", module, module.__all__))
    seen = set()
    for path, module, names in reversed(rooms):
        for name in names:
            value = getattr(module, name)
            if callable(value) and id(value) not in seen:
                seen.add(id(value))
                yield f"{path}.{name}", value


def _is_keras(name, cls):
    """Returns true for a method whose order of arguments Keras sets."""
    return any(
        name in vars(base)
        for base in cls.__mro__
        if base.__module__.split(".")[0] == "keras"
    )


def _functions():
    """Yields each public function, constructor and method of its own."""
    for path, value in _public():
        if not inspect.isclass(value):
            yield path, value, 0
            continue
        if not _is_record(value):
            yield path, value, 0
        for name, member in vars(value).items():
            is_method = inspect.isfunction(member) or isinstance(
                member, classmethod | staticmethod
            )
            is_inside = name.startswith("_") and name != "__call__"
            if is_method and not is_inside and not _is_keras(name, value):
                # A class method is bound, a plain one takes `self`.
                bound = inspect.isfunction(member)
                yield f"{path}.{name}", getattr(value, name), int(bound)


def _is_record(cls):
    """Returns true for plain records and named tuples."""
    is_settings = cls.__name__.endswith(("Settings", "Specification"))
    record = dataclasses.is_dataclass(cls) or issubclass(cls, tuple | Exception)
    return record and not is_settings


def test_two_arguments_at_most_go_by_position():
    wrong = {}
    for path, function, bound in _functions():
        by_position = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind
            in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ][bound:]
        if (len(by_position) > 2) != (path in MORE_BY_POSITION):
            wrong[path] = by_position
    assert not wrong


def test_no_docstring_begins_with_a_clause():
    kinds = (
        ast.Module,
        ast.ClassDef,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
    )
    clauses = [
        f"{file.relative_to(ROOT)}: {text.splitlines()[0]}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, kinds) and (text := ast.get_docstring(node))
        if re.match(rf"({'|'.join(FIRST_WORDS)})\b", text)
    ]
    assert clauses == []


def _documented():
    """Lists the paths of the reference: (page, path as it is shown)."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for entry in re.finditer(
            r"^::: (\S+)((?:\n[ ]+.*)*)", text, re.MULTILINE
        ):
            heading = re.search(r"heading: (\S+)", entry[2])
            shown = heading[1] if heading else entry[1]
            found.append((page.name, entry[1], shown))
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_each_public_name_is_on_one_page_of_the_reference(room):
    counts = {}
    for _, _, shown in _documented():
        place, _, name = shown.rpartition(".")
        if place in (f"keras_cakes.{room}", "keras_cakes"):
            counts[name] = counts.get(name, 0) + 1
    names = getattr(kc, room).__all__
    wrong = {name: counts.get(name, 0) for name in names}
    assert {n: count for n, count in wrong.items() if count != 1} == {}


def test_each_path_of_the_reference_exists():
    for page, path, _ in _documented():
        parts = path.split(".")
        for count in range(len(parts), 0, -1):
            try:
                value = importlib.import_module(".".join(parts[:count]))
            except ModuleNotFoundError:
                continue
            break
        for name in parts[count:]:
            assert hasattr(value, name), f"{page}: {path}"
            value = getattr(value, name)
