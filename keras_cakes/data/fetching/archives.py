"""Unpacks archives within bounds, whole or not at all."""

import contextlib
import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from pathlib import PurePosixPath
from typing import IO
from typing import Any

from keras_cakes._errors import DataError
from keras_cakes._errors import naming
from keras_cakes._errors import require
from keras_cakes._errors import whole
from keras_cakes._files import locked

_BLOCK = 1 << 20
# Reading a damaged archive, or writing its members, may raise these.
_DAMAGE = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def unpack(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    root: str | None = None,
    most_bytes: int = 64 * 2**30,
    most_members: int = 100_000,
) -> Path:
    """Unpacks an archive into a new folder, whole or not at all.

    Only files and folders are unpacked. An archive that holds anything else
    is refused: links too, since no data set needs them and their targets can
    change while they are followed.

    Args:
        archive: A file of tar, tar.gz or zip; its content tells which.
        folder: Folder to make.
        root: Folder inside the archive whose content `folder` shall have;
            by default all of the archive.
        most_bytes: Bytes that all members may have when unpacked.
        most_members: Files and folders that there may be.

    Returns:
        The folder.

    Raises:
        DataError: If the archive is damaged or incomplete, exceeds a bound
            or the room on the disk, holds a path that is absolute or leads
            out of the folder, a link, a device or something encrypted, or
            lacks `root`; if `folder` is there already, or another process
            makes it.

    Examples:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(place / "a.zip", "w") as file:
        ...     file.writestr("set/labels/a.txt", "organ")
        >>> unpack(place / "a.zip", place / "new", root="set").name
        'new'
        >>> (place / "new" / "labels" / "a.txt").read_text()
        'organ'
    """
    whole("most_bytes", most_bytes, least=0)
    whole("most_members", most_members, least=0)
    archive, folder = Path(archive), Path(folder)
    require(archive, archive.is_file(), "an archive is", "no such file")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.part")
    held = DataError(
        f"{folder}: one process at a time is expected. Received: another one "
        f"unpacks {archive.name} there"
    )
    with contextlib.ExitStack() as stack:
        lock = folder.with_name(f".{folder.name}.lock")
        stack.enter_context(locked(lock, held))
        is_new = not os.path.lexists(folder)
        require(folder, is_new, "a new folder is", "something is there already")
        # A killed process may have left it.
        shutil.rmtree(temporary, ignore_errors=True)
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        temporary.mkdir()
        bounds = _Bounds(archive, temporary, most_bytes, most_members)
        expected = "a complete archive of tar, tar.gz or zip that can be "
        with naming(archive, expected + "unpacked is", _DAMAGE):
            _unpack(archive, temporary, bounds)
        inner = temporary / (root or ".")
        if not inner.is_dir():
            found = sorted(path.name for path in temporary.iterdir())[:5]
            raise DataError(
                f"{archive}: the folder {root} is expected in the archive. "
                f"Received: {found}"
            )
        # The folder appears with everything in it. Flushing the disk once is
        # faster than flushing each of many small files.
        os.sync()
        os.rename(inner, folder)
    return folder


class _Bounds:
    """Counts the members that are unpacked, and refuses too many bytes."""

    def __init__(
        self, archive: Path, target: Path, most_bytes: int, most_members: int
    ):
        self._archive = archive
        self._free = shutil.disk_usage(target).free
        self._most_bytes = most_bytes
        self._most_members = most_members
        self._bytes = self._members = 0

    def admit(self, name: str, size: int, is_plain: bool) -> None:
        """Counts a member before it is unpacked; refuses unsafe ones."""
        require(
            self._archive,
            is_plain,
            "plain files and folders are",
            f"a link, a device or something sparse or encrypted, {name!r}",
        )
        path = PurePosixPath(name)
        # A backslash separates folders where the archive was made.
        leaves = path.is_absolute() or ".." in path.parts or "\\" in name
        expected = "paths inside the folder are"
        require(self._archive, not leaves, expected, repr(name))
        self._members += 1
        self._bytes += size
        require(
            self._archive,
            self._members <= self._most_members,
            f"at most most_members={self._most_members} are",
            "more",
        )
        require(
            self._archive,
            self._bytes <= min(self._most_bytes, self._free),
            f"at most most_bytes={self._most_bytes}, and room for them on the "
            f"disk, {self._free} bytes being free, are",
            f"{self._bytes} bytes or more",
        )


def _unpack(archive: Path, target: Path, bounds: _Bounds) -> None:
    with open(archive, "rb") as file:
        start = file.read(2)
    if start == b"PK":
        _unpack_zip(archive, target, bounds)
        return
    compressed = start == b"\x1f\x8b"
    with gzip.open(archive) if compressed else open(archive, "rb") as stream:
        _unpack_tar(stream, target, bounds)


def _unpack_zip(path: Path, target: Path, bounds: _Bounds) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            is_plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            encrypted = bool(member.flag_bits & 1)
            bounds.admit(
                member.filename, member.file_size, is_plain and not encrypted
            )
        # `zipfile` reads no more of a member than the admitted size.
        archive.extractall(target)


def _unpack_tar(stream: Any, target: Path, bounds: _Bounds) -> None:
    guarded: Any = _SmallReads(stream)
    with tarfile.open(fileobj=guarded, mode="r:") as archive:
        for member in archive:
            is_plain = member.isdir() or (
                member.isreg() and not member.issparse() and member.size >= 0
            )
            bounds.admit(member.name, member.size, is_plain)
            archive.extract(member, target, filter="data")
        stream.seek(archive.offset)
    # `tarfile` takes damage, or an early end, for the end of the archive,
    # which is a block of zeros. Reading on makes gzip compare its checksum.
    end = stream.read(_BLOCK)
    if end[: tarfile.BLOCKSIZE] != bytes(tarfile.BLOCKSIZE):
        raise EOFError("the archive breaks off")
    if stream.read(1):
        raise ValueError("something follows the end of the archive")


class _SmallReads:
    """Limits how many bytes of a stream are read at once.

    `tarfile` reads the extended header of a member at once, however long it
    claims to be, and the content of a member in small blocks.
    """

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _BLOCK:
            raise ValueError(f"a header of {size} bytes")
        return self._stream.read(size)
