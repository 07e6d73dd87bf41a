"""Keeps a partial download on disk."""

import json
import re
from pathlib import Path
from typing import Any

from keras_cakes._files import put
from keras_cakes._files import read_text
from keras_cakes._files import write_text

_MOST_RECORD = 1 << 16


class PartialFile:
    """Keeps the bytes of a partial download, and the server's validator.

    A record beside the bytes holds the file's ETag or Last-Modified, so that
    another process can go on. Bytes without a validator are discarded.

    Args:
        path: The complete file; the bytes lie beside it, named `.part`.
        url: Address of the file.
    """

    def __init__(self, path: Path, url: str):
        self.path = path.with_name(f"{path.name}.part")
        self.url = url
        self.validator: str | None = None
        self.total: int | None = None
        self._record = path.with_name(f"{path.name}.part.json")
        try:
            record = json.loads(read_text(self._record, _MOST_RECORD))
            validator, total = record["validator"], record["total"]
            # The validator becomes a line of a request.
            good = validator.isascii() and validator.isprintable()
            if good and record["url"] == url:
                self.total = None if total is None else int(total)
                self.validator = validator
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            # A missing or damaged record holds no validator.
            pass
        if self.validator is None:
            self.discard()

    @property
    def held(self) -> int:
        """Counts the bytes that have come."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def is_whole(self) -> bool:
        return self.path.is_file() and self.held == self.total

    def begin(self, response: Any) -> None:
        """Starts anew with the file that the server has now."""
        self.discard()
        self.validator = _validator(response)
        self.total = response.length
        if self.validator is not None:
            # The record comes before the first byte, so that no byte is
            # taken for one of another file.
            record = {"url": self.url, "validator": self.validator}
            write_text(self._record, json.dumps(record | {"total": self.total}))

    def continues(self, response: Any) -> bool:
        """Tells whether the answer is the rest of the same file."""
        found = re.fullmatch(
            r"bytes (\d{1,19})-\d+/(\d{1,19}|\*)",
            response.headers["Content-Range"] or "",
        )
        if found is None or int(found[1]) != self.held:
            return False
        total = self.total if found[2] == "*" else int(found[2])
        if self.total not in (None, total):
            return False
        self.total = total
        return _validator(response) in (None, self.validator)

    def finish(self, path: Path) -> None:
        """Gives the file its name, after it has reached the disk."""
        put(self.path, path)
        self.discard()

    def discard(self) -> None:
        """Removes the bytes, then their record, which does no harm alone."""
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)
        self.validator = self.total = None


def _validator(response: Any) -> str | None:
    """Returns a value for `If-Range` that changes with the server's file."""
    etag = response.headers["ETag"]
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers["Last-Modified"]
