"""Downloads files, checked, whole or not at all."""

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import keras

from keras_cakes._errors import DataError
from keras_cakes._errors import expect
from keras_cakes._errors import naming
from keras_cakes._errors import number
from keras_cakes._errors import require
from keras_cakes._errors import whole
from keras_cakes._files import locked
from keras_cakes.data.fetching.connection import BrokenConnection
from keras_cakes.data.fetching.connection import blocks
from keras_cakes.data.fetching.connection import connect
from keras_cakes.data.fetching.partial_file import PartialFile

_BLOCK = 1 << 20
_MOST_WAIT = 60.0
_DIGITS = {"sha256": 64, "md5": 32}

logger = logging.getLogger(__name__)


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    attempts: int = 5,
    timeout: float = 60.0,
    wait: float = 1.0,
    verbose: bool = True,
) -> str:
    """Fetches a file; it is there whole and checked, or not at all.

    The bytes that have come lie beside the file, named `.part`. A broken
    download, also one of an earlier process, goes on from there if the
    server says that its file is still the same, and starts anew otherwise. A
    file with the right checksums is not fetched again; a wrong one is
    replaced.

    Args:
        url: Address, of http or https.
        path: File to write; its folder is made where it is missing.
        sha256: Checksum of the file, 64 hexadecimal digits, where known.
        md5: The same of MD5, 32 digits. It finds damage, not malice.
        size: Bytes of the file, where known. Not one more is stored.
        attempts: Connections in a row that may fail without as much as a
            mebibyte of progress.
        timeout: Seconds that the server may stay silent.
        wait: Seconds before the second attempt; doubled before each further
            one, up to a minute.
        verbose: Whether to show the progress and log the checksum.

    Returns:
        The SHA-256 of the file.

    Raises:
        DataError: If the server does not have the file, the connection
            breaks too often, another process fetches the same file, there is
            no room, or size or checksum are not those expected.
        ValueError: If an argument is not as stated.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scan.nii"
        >>> path.write_bytes(b"voxels")
        6
        >>> known = hashlib.sha256(b"voxels").hexdigest()
        >>> url = "https://example.org/scan.nii"
        >>> download(url, path, sha256=known, verbose=False) == known
        True

    Reference:

    - [RFC 9110, section 14](https://www.rfc-editor.org/rfc/rfc9110#section-14)
    """
    expected = _checksums(sha256=sha256, md5=md5)
    _check_arguments(url, size, attempts, timeout, wait)
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            "`path` is expected to be that of a file. "
            f"Received: path={path}, a folder"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    busy = DataError(
        f"{path}: one download at a time is expected. Received: another "
        f"process fetches this file, for {url}"
    )
    with locked(path.with_name(f".{path.name}.lock"), busy):
        if path.is_file() and size in (None, path.stat().st_size):
            found = _digests(path, expected)
            if expected.items() <= found.items():
                return found["sha256"]
        part = PartialFile(path, url)
        _fetch(part, size, attempts, timeout, wait, verbose)
        found = _digests(part.path, expected)
        if not expected.items() <= found.items():
            received = {name: found[name] for name in expected}
            length = part.held
            part.discard()
            raise DataError(
                f"{url}: a file of {_listed(expected)} is expected. "
                f"Received: {length} bytes of {_listed(received)}"
            )
        part.finish(path)
    if verbose:
        length = path.stat().st_size
        logger.info("%s: %s bytes, sha256=%s", path, length, found["sha256"])
    return found["sha256"]


def _check_arguments(
    url: str, size: int | None, attempts: int, timeout: float, wait: float
) -> None:
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    good = (
        good
        and parts.scheme in ("http", "https")
        and bool(re.fullmatch(r"[!-~]+", url))
    )
    expect("url", url, good, "to be an address of http or https")
    if size is not None:
        whole("size", size, least=0)
    whole("attempts", attempts, least=1)
    number("timeout", timeout, above=0)
    number("wait", wait, least=0)


def _checksums(**given: str | None) -> dict[str, str]:
    known = {n: text.lower() for n, text in given.items() if text is not None}
    for name, text in known.items():
        digits = _DIGITS[name]
        fits = re.fullmatch(f"[0-9a-f]{{{digits}}}", text)
        expect(name, given[name], fits, f"to be {digits} hexadecimal digits")
    return known


def _digests(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Computes SHA-256 and other checksums of a file in one reading."""
    sums = {
        name: hashlib.new(name, usedforsecurity=False)
        for name in {"sha256", *names}
    }
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            for one in sums.values():
                one.update(block)
    return {name: one.hexdigest() for name, one in sums.items()}


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _fetch(
    part: PartialFile,
    size: int | None,
    attempts: int,
    timeout: float,
    wait: float,
    verbose: bool,
) -> None:
    """Connects until the file is whole or `attempts` connections fail."""
    failures, most = 0, part.held
    while not part.is_whole():
        try:
            _receive(part, size, timeout, verbose)
        except BrokenConnection as error:
            # Bytes beyond the most so far are progress: a server that
            # begins anew each time makes none.
            failures = 1 if part.held >= most + _BLOCK else failures + 1
            most = max(most, part.held)
            if failures >= attempts:
                raise DataError(
                    f"{part.url}: a whole file is expected, within "
                    f"attempts={attempts}. Received: {part.held} bytes, then "
                    f"{error}"
                ) from None
            time.sleep(min(wait * 2 ** min(failures - 1, 9), _MOST_WAIT))
    _check_size(part, part.total, size)


def _receive(
    part: PartialFile, size: int | None, timeout: float, verbose: bool
) -> None:
    """Appends the bytes of one connection."""
    with connect(part, timeout) as response:
        _check_size(part, part.total, size)
        held, total = part.held, part.total if size is None else size
        _check_room(part, 0 if total is None else total - held)
        bar = keras.utils.Progbar(
            None if total is None else -(-total // _BLOCK),
            unit_name="MiB",
            interval=1.0,
            verbose=int(verbose),
        )
        # A `DataError` tells a failing disk from a failing connection.
        storing = naming(part.path, "a file that can be written is", OSError)
        with storing, open(part.path, "ab") as file:
            for block in blocks(response):
                held += len(block)
                if total is not None and held > total:
                    _check_size(part, held, total)
                file.write(block)
                bar.update(-(-held // _BLOCK), finalize=held == total)
    if total is not None and held < total:
        raise BrokenConnection(f"the end of the connection, not of {total}")
    # Without a length, the end of the connection is that of the file.
    part.total = held


def _check_size(
    part: PartialFile, received: int | None, size: int | None
) -> None:
    if None not in (received, size) and received != size:
        part.discard()
        raise DataError(
            f"{part.url}: a file of {size} bytes is expected. "
            f"Received: {received} bytes or more"
        )


def _check_room(part: PartialFile, needed: int) -> None:
    free = shutil.disk_usage(part.path.parent).free
    expected = f"room for {needed} bytes of {part.url} is"
    require(part.path, needed <= free, expected, f"{free} bytes free")
