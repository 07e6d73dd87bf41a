"""Memory that is free, on machines and in containers."""

from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from keras_cakes import _files as machine
from keras_cakes.data.volumes.preparing.resources import check_needs
from keras_cakes.data.volumes.reading.geometry import Grid

GIB = 2**30
# Of 7 GiB used: 3 GiB are files in the page cache, half a GiB of them still
# to be written; 1 GiB of shared memory is no page cache.
STAT_2 = {
    "anon": 3 * GIB,
    "file": 4 * GIB,
    "shmem": GIB,
    "inactive_file": 2 * GIB,
    "active_file": GIB,
    "file_dirty": GIB // 4,
    "file_writeback": GIB // 4,
}
STAT_1 = {
    "cache": 1,
    "inactive_file": 1,
    "total_cache": 4 * GIB,
    "total_shmem": GIB,
    "total_inactive_file": 2 * GIB,
    "total_active_file": GIB,
    "total_dirty": GIB // 4,
    "total_writeback": GIB // 4,
}


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """A machine with 8 GiB available, and the folder of its control groups."""
    available = SimpleNamespace(available=8 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    return tmp_path


def _fill(folder, version, limit, used, stat):
    names = {
        2: ("memory.max", "memory.current", "memory.stat"),
        1: (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
        ),
    }[version]
    lines = "".join(f"{key} {value}\n" for key, value in stat.items())
    for name, text in zip(names, (limit, used, lines), strict=True):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{text}".strip() + "\n")


def test_memory_of_the_machine(groups):
    assert machine.available_memory() == 8 * GIB


@pytest.mark.parametrize(("version", "stat"), [(2, STAT_2), (1, STAT_1)])
def test_page_cache_of_a_container_is_free(groups, version, stat):
    _fill(groups, version, 8 * GIB, 7 * GIB, stat)
    assert machine.available_memory() == (1 + 3) * GIB - GIB // 2


@pytest.mark.parametrize(("version", "stat"), [(2, STAT_2), (1, STAT_1)])
def test_no_more_is_free_than_the_machine_has(groups, version, stat):
    _fill(groups, version, 99 * GIB, 7 * GIB, stat)
    assert machine.available_memory() == 8 * GIB


@pytest.mark.parametrize(
    ("version", "limit"), [(2, "max"), (1, 2**63 - 4096), (1, -1)]
)
def test_a_container_without_a_limit(groups, version, limit):
    _fill(groups, version, limit, 7 * GIB, {})
    assert machine.available_memory() == 8 * GIB


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("stat", [{}, {"file_dirty": GIB, "total_dirty": GIB}])
def test_without_counts_all_that_is_used_counts(groups, version, stat):
    _fill(groups, version, 5 * GIB, GIB, stat)
    assert machine.available_memory() == 4 * GIB


def test_a_container_above_its_limit_has_nothing_free(groups):
    _fill(groups, 2, GIB, 2 * GIB, {})
    assert machine.available_memory() == 0


@pytest.mark.parametrize("text", ["", "many", "1 2"])
def test_files_that_tell_no_number_are_no_limit(groups, text):
    _fill(groups, 2, text, GIB, {})
    assert machine.available_memory() == 8 * GIB


def test_a_preparation_minds_the_limit_of_a_container(groups, tmp_path):
    grid = Grid((1024, 1024, 256), np.eye(4))
    _fill(groups, 2, 2 * GIB, GIB, {})
    with pytest.raises(ValueError, match=r"GiB of memory \(1\.00 free\)"):
        check_needs([(grid, grid, 1)], tmp_path, 1, verbose=False)
