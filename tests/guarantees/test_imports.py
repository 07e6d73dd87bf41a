"""The house: its rooms, the direction of imports, rules of the tree."""

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "keras_cakes"

# What each room may import, lower rooms first. `runs` may import all others.
ROOMS = {
    "_errors": set(),
    "_files": {"_errors"},
    "kernels": {"_errors", "_files"},
    "layers": {"_errors", "kernels"},
    "models": {"_errors", "kernels", "layers"},
    "cost": {"_errors", "_files", "kernels", "layers"},
    "search": {"_errors", "kernels", "layers", "models", "cost"},
    "data": {"_errors", "_files"},
    "training": {"_errors"},
    "evaluation": {"_errors", "kernels"},
    "runs": {
        "_errors",
        "_files",
        "kernels",
        "layers",
        "models",
        "cost",
        "search",
        "data",
        "training",
        "evaluation",
    },
}
HEAVY = {
    "av",
    "matplotlib",
    "nibabel",
    "pydicom",
    "scipy",
    "tensorflow",
    "tensorflow_io",
}

FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in FILES if path.name != "__init__.py"]


def _parts(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _imports(path, top_level=False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def _own_imports(path):
    """The package's modules that a file imports, as parts, with the line."""
    for name, line in _imports(path):
        parts = name.split(".")
        if parts[0] == "keras_cakes" and parts[1] != "__version__":
            yield tuple(parts[1:]), line


def _folder_of(parts):
    """The folder that an imported module, or a name in one, belongs to."""
    place = PACKAGE
    for depth, part in enumerate(parts):
        if not (place / part).is_dir():
            return parts[:depth]
        place = place / part
    return parts


def test_the_package_has_the_rooms_and_nothing_else():
    found = {path.name for path in PACKAGE.iterdir()} - {"__pycache__"}
    private = {"_errors.py", "_files.py"}
    public = {room for room in ROOMS if not room.startswith("_")}
    assert found == private | public | {"__init__.py", "py.typed"}


def test_imports_run_one_way_from_room_to_room():
    wrong = [
        f"{path}:{line}: {room} imports {'.'.join(name)}"
        for path in FILES
        for room in _parts(path)[:1]
        for name, line in _own_imports(path)
        if name[0] != room and name[0] not in ROOMS[room]
    ]
    assert not wrong, "\n".join(wrong)


def test_no_two_folders_import_each_other():
    """Files of a folder itself count apart from those of its sub-folders.

    Imports inside functions count; `__init__` files only re-export.
    """
    arrows = {}
    for path in MODULES:
        start = _parts(path)[:-1]
        for name, line in _own_imports(path):
            end = _folder_of(name)
            if start != end:
                arrows.setdefault((start, end), f"{path}:{line}")
    both = [
        f"{where}\n  and {arrows[end, start]}"
        for (start, end), where in arrows.items()
        if start < end and (end, start) in arrows
    ]
    assert not both, "\n".join(both)


def test_nothing_private_or_unsafe():
    wrong = [
        f"{path}:{line}: {name}"
        for path in FILES
        for name, line in _imports(path)
        if name.startswith("keras.src") or name.split(".")[0] == "pickle"
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_packages_are_imported_where_used():
    wrong = [
        f"{path}:{line}: {name}"
        for path in FILES
        for name, line in _imports(path, top_level=True)
        if name.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_files_are_small():
    for path in FILES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 400, f"{path}: {lines} lines, perhaps two nouns"
        assert path.name != "utils.py"


def test_library_code_does_not_print():
    wrong = [
        f"{path}:{node.lineno}"
        for path in FILES
        if _parts(path)[:2] != ("runs", "commands")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not wrong, "\n".join(wrong)


def test_the_vocabulary_needs_the_standard_library_and_itself_only():
    vocabulary = [*(PACKAGE / "kernels").glob("*.py")]
    vocabulary += [PACKAGE / "_errors.py", PACKAGE / "_files.py"]
    for path in vocabulary:
        for name, line in _imports(path, top_level=True):
            first = name.split(".")[0]
            known = first == "keras_cakes" or first in sys.stdlib_module_names
            assert known, f"{path}:{line}: {name}"


def test_nobody_is_promised_that_a_room_imports_no_framework():
    # Importing any room imports the package, and Keras with it.
    for path in FILES:
        text = " ".join(path.read_text(encoding="utf-8").split())
        assert "no framework" not in text, path
