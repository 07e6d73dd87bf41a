"""The memory that a machine, or a container on it, has to give."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

# What `atomic` has not put in its place yet.
_TEMPORARY = re.compile(r"\.\d+\..+")
# Of file systems that cannot flush a folder.
_CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP)


@contextlib.contextmanager
def atomic(path: "str | os.PathLike[str]") -> Iterator[Path]:
    """Lets a block write a file or a folder that appears whole.

    A reader finds the old file or the new one, never a part of it, also
    after the machine has lost its power. If the block fails, nothing is left
    of the attempt.

    Args:
        path: The file or folder; its parent has to be there. A folder
            replaces no other.

    Yields:
        A path beside it, of the same ending, for the block to write.

    Examples:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "values.txt"
        >>> with atomic(file) as temporary:
        ...     _ = temporary.write_text("1 2 3")
        >>> file.read_text()
        '1 2 3'
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        put(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def put(temporary: Path, path: Path) -> None:
    """Gives a complete file or folder its name, once the disk holds it."""
    for inner in temporary.rglob("*"):
        _flush(inner)
    _flush(temporary)
    os.replace(temporary, path)
    # The name is an entry of the folder, which the disk has to hold as well.
    _flush(path.parent)


def is_temporary(name: str) -> bool:
    """Tells names that `atomic` gives to files in work."""
    return _TEMPORARY.fullmatch(name) is not None


def write_text(path: "str | os.PathLike[str]", text: str) -> None:
    """Writes a text file; a reader finds the old one or the new one."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_text(path: "str | os.PathLike[str]", most_bytes: int) -> str:
    """Reads a text file of limited size.

    Raises:
        ValueError: If the file is larger or no UTF-8.
    """
    with open(path, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(
            f"The file is expected to be at most {most_bytes} bytes. "
            "Received: a larger file"
        )
    return content.decode("utf-8")


@contextlib.contextmanager
def locked(path: "str | os.PathLike[str]") -> Iterator[None]:
    """Keeps other processes out; a killed one leaves no lock behind.

    Args:
        path: The file that is locked; it is made, and stays.

    Raises:
        BlockingIOError: If another process holds the lock.
    """
    import fcntl

    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _flush(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if not (path.is_dir() and error.errno in _CANNOT_FLUSH):
            raise
    finally:
        os.close(number)


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


def checksum(path: Path) -> str:
    """SHA-256 of a file, or of the names and bytes of a folder's files."""
    files = sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
