"""The house: imports run one way, and other rules of the tree."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "keras_cakes"

# A room may import rooms of a lower floor; those of one floor stand side by
# side. The exceptions within a floor are named.
FLOORS = [
    ["sub_kernels", "files", "backends"],
    ["assignment"],
    ["configuration", "measurements"],
    [
        "layers",
        "regularizers",
        "losses",
        "metrics",
        "optimizers",
        "data",
        "schedules",
        "selection",
        "budget",
    ],
    ["specification", "graph", "cost", "evaluation", "plotting"],
    ["integer_program"],
    ["allocation"],
    ["conversion", "autotune", "folding", "expected_cost"],
    ["models", "supernet"],
    ["chooser"],
    ["search", "derivation", "baselines", "inflation", "scoring"],
    [
        "runs",
        "settings",
        "front",
        "search_methods",
        "search_readings",
        "cost_comparison",
    ],
    ["training", "segmentation_settings", "video_settings"],
    ["search_run", "segmentation_data", "video_data"],
    ["segmentation", "video", "search_quality"],
    ["report", "search_statistics", "search_headroom", "search_spans"],
    ["segmentation_report", "video_report", "folds"],
    ["prediction", "video_prediction", "paper_tables"],
    ["run_command", "prepare_command"],
    ["segment_command", "video_command"],
    ["demo_command"],
    ["cli"],
]
# These stand beside the line and never know a particular model.
BESIDE = {"data", "evaluation", "plotting", "losses", "metrics"}
BESIDE_MAY_KNOW = {
    "sub_kernels",
    "assignment",
    "configuration",
    "files",
} | BESIDE
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
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def _room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


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


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_one_way(path):
    room = _room(path)
    if room == "__init__":
        return
    wrong = []
    for name, line in _imports(path):
        parts = name.split(".")
        if parts[0] != "keras_cakes" or parts[1] in (room, "__version__"):
            continue
        lower = FLOOR_OF[parts[1]] < FLOOR_OF[room]
        known = room not in BESIDE or parts[1] in BESIDE_MAY_KNOW
        if not (lower and known):
            wrong.append(f"{path}:{line}: {room} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_private_or_unsafe(path):
    wrong = [
        f"{path}:{line}: {name}"
        for name, line in _imports(path)
        if name.startswith("keras.src") or name.split(".")[0] == "pickle"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_heavy_packages_are_imported_where_used(path):
    wrong = [
        f"{path}:{line}: {name}"
        for name, line in _imports(path, top_level=True)
        if name.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_rooms_are_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 300, f"{path}: {lines} lines, perhaps two nouns"
    assert path.name != "utils.py"


def test_vocabulary_needs_the_standard_library_only():
    for room in ["sub_kernels", "files", *FLOORS[1], *FLOORS[2]]:
        for name, line in _imports(PACKAGE / f"{room}.py"):
            assert not name.startswith(("keras.", "numpy", "tensorflow")), (
                f"{room}:{line}: {name}"
            )
