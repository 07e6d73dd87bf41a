"""The memory that a machine, or a container on it, has to give."""

from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")
# Of control groups, version 2 and version 1: the files of the limit, of what
# is used and of its parts, and what the parts begin with.
_VERSIONS = (
    ("memory.max", "memory.current", "memory.stat", "", "file_"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_",
        "total_",
    ),
)


def available_memory() -> int:
    """Returns the bytes that can be allocated without swapping.

    The number is the smaller one of the machine's available memory and of
    what the limit of a container leaves. Pages of files that are kept in
    memory count as free, since the kernel drops them when it needs room; in a
    container these are the active and inactive file pages without those that
    are still to be written.
    """
    free = int(psutil.virtual_memory().available)
    for limit, used, parts, prefix, written in _VERSIONS:
        try:
            most = int((_GROUPS / limit).read_text(encoding="ascii"))
            held = int((_GROUPS / used).read_text(encoding="ascii"))
        except (OSError, ValueError):
            # Another version, or no limit, which version 2 calls "max".
            continue
        if most >= 0:
            held -= _droppable(_GROUPS / parts, prefix, written)
            free = min(free, max(most - held, 0))
    return free


def _droppable(file: Path, prefix: str, written: str) -> int:
    """Bytes of files in memory that the kernel can drop at once."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
        parts = {key: int(value) for key, value in map(str.split, lines)}
    except (OSError, ValueError):
        return 0
    files = [f"{prefix}{kind}_file" for kind in ("active", "inactive")]
    waiting = [f"{written}{kind}" for kind in ("dirty", "writeback")]
    return max(
        sum(parts.get(key, 0) for key in files)
        - sum(parts.get(key, 0) for key in waiting),
        0,
    )
