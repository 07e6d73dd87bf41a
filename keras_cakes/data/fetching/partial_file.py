"""What has come of a file that is being downloaded."""

import json
import re
from pathlib import Path
from typing import Any

from keras_cakes._files import put
from keras_cakes._files import read_text
from keras_cakes._files import write_text

_MOST_RECORD = 1 << 16


class PartialFile:
    """The bytes that have come, and what tells whether they still hold.

    A record beside them keeps the server's validator, so that another
    process can go on. Bytes that no validator vouches for are given up.

    Args:
        path: The file that it becomes; it lies beside it, named `.part`.
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
            # It becomes a line of a request.
            good = validator.isascii() and validator.isprintable()
            if good and record["url"] == url:
                self.total = None if total is None else int(total)
                self.validator = validator
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            # No record, or a damaged one: it vouches for nothing.
            pass
        if self.validator is None:
            self.discard()

    @property
    def held(self) -> int:
        """Bytes that have come."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def is_whole(self) -> bool:
        return self.path.is_file() and self.held == self.total

    def begin(self, response: Any) -> None:
        """Starts anew, with the file that the server has now."""
        self.discard()
        self.validator = _validator(response)
        self.total = response.length
        if self.validator is not None:
            # Before the first byte, so that none is taken for another file's.
            record = {
                "url": self.url,
                "validator": self.validator,
                "total": self.total,
            }
            write_text(self._record, json.dumps(record))

    def continues(self, response: Any) -> bool:
        """Whether the answer is the rest of the same file."""
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
        """Forgets what has come."""
        # The record last: without bytes it does no harm.
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)
        self.validator = self.total = None


def _validator(response: Any) -> str | None:
    """What changes with the file on the server, fit for `If-Range`."""
    etag = response.headers["ETag"]
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers["Last-Modified"]
