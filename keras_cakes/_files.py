"""Uses the operating system: whole files, locks, free memory."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

_LOCK = ".lock"
# Matches the names that `atomic` gives: a process number before the name.
_TEMPORARY = re.compile(r"\.\d+\..+")
# File systems that cannot flush a folder report one of these.
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
        _remove(temporary)


def put(temporary: Path, path: Path) -> None:
    """Gives a complete file or folder its name, once the disk holds it."""
    for inner in temporary.rglob("*"):
        _flush(inner)
    _flush(temporary)
    os.replace(temporary, path)
    # The name is an entry of the folder, which the disk has to hold as well.
    _flush(path.parent)


@contextlib.contextmanager
def explained(path: Path, error: type[Exception]) -> Iterator[None]:
    """Turns an `OSError` of a block that writes `path` into an `error`."""
    try:
        yield
    except OSError as cause:
        folder = next(p for p in path.absolute().parents if p.is_dir())
        room = shutil.disk_usage(folder).free / 2**20
        raise error(
            f"{path}: could not be written. Expected: a writable disk with "
            f"room. Received: {cause} ({room:.0f} MiB free)"
        ) from cause


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


def checksum(path: Path) -> str:
    """Computes the SHA-256 of a file, or of a folder's file names and bytes."""
    files = sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(
    path: "str | os.PathLike[str]", held: Exception | None = None
) -> Iterator[None]:
    """Keeps other processes out; a killed one leaves no lock behind.

    Args:
        path: The file that is locked; it is made, and stays.
        held: Raised if another process holds the lock.
    """
    import fcntl

    with open(path, "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise held or error from None
        yield


class WorkFolder:
    """Ties a folder to one work, which one process at a time goes on with.

    Args:
        path: The folder; `lock` makes it.
        settings_file: Name of the file that marks the folder as the work's.
        error: Class of the errors that the folder raises.
        work: Names the work in messages, such as `"packing"`.
        expected: Names in messages the folders that will do.
        own: Names of further files that the work writes before any result.
    """

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        settings_file: str,
        *,
        error: type[Exception],
        work: str,
        expected: str,
        own: Sequence[str] = (),
    ):
        self.path = Path(path)
        self.settings_file = self.path / settings_file
        self._error = error
        self._work = work
        self._expected = expected
        self._own = (settings_file, _LOCK, *own)

    def results(self) -> list[str]:
        """Lists the results of the work; refuses a folder of something else."""
        if self.path.is_dir():
            found = sorted(path.name for path in self.path.iterdir())
        else:
            found = [self.path.name] if os.path.lexists(self.path) else []
        results = [
            name
            for name in found
            if name not in self._own and not is_temporary(name)
        ]
        if results and not self.settings_file.is_file():
            raise self._error(
                f"{self.path}: {self._expected} is expected. Received: "
                f"something else lies there, {results[:5]}"
            )
        return results

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes out and removes what killed ones left.

        Raises:
            The error of this folder: If another process works there, or it
                cannot be written to.
        """
        held = self._error(
            f"{self.path}: one {self._work} at a time is expected. Received: "
            "another process works in this folder"
        )
        with contextlib.ExitStack() as stack:
            with explained(self.path / _LOCK, self._error):
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.path / _LOCK, held))
                for path in list(self.path.rglob(".*")):
                    if is_temporary(path.name):
                        _remove(path)
            yield

    def claim(self, settings: str, expected: str) -> None:
        """Writes the settings, or compares them with those that are there.

        Args:
            settings: Content of the file of settings.
            expected: Names the settings in the message.

        Raises:
            The error of this folder: If the file holds other settings.
        """
        file = self.settings_file
        if not file.is_file():
            write_text(file, settings)
            return
        known = file.read_text(encoding="utf-8", errors="replace")
        if known != settings:
            raise self._error(
                f"{file}: {expected} are expected; another one needs a "
                f"folder of its own. Received: {' '.join(known.split())[:500]}"
            )


def is_temporary(name: str) -> bool:
    """Tells names that `atomic` gives to files in work."""
    return _TEMPORARY.fullmatch(name) is not None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
# Files of limit, used bytes and their parts, and prefixes of the parts' names,
# for version 2 and version 1 of control groups.
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

    The number is the smaller one of the machine's available memory and the
    rest that a container's limit leaves. Pages of files that are kept in
    memory count as free, since the kernel drops them when it needs room; in a
    container these are the active and inactive file pages without those that
    are still to be written.
    """
    import psutil

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
    """Counts the bytes of cached files that the kernel can drop at once."""
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
