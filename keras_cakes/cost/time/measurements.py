"""Keeps measured values in a small file, by device."""

import json
import os
from pathlib import Path
from typing import Any

from keras_cakes._errors import shortened
from keras_cakes._files import read_text
from keras_cakes._files import write_text

VERSION = 1

# Thousands of measured layers are a few megabytes.
_MOST_BYTES = 64 << 20


class Measurements:
    """Keeps the measured values of one device, in memory or in a file.

    A file may hold values of several devices; `save` keeps the others.

    Args:
        kind: Kind of the values, such as `"plans"`; a file holds one kind.
        device: Description of the present device.
        file: Path of a JSON file, which need not exist, nor its folder;
            `None` keeps the values in memory only.

    Raises:
        ValueError: If the file holds anything else; it is not changed.
    """

    def __init__(
        self,
        kind: str,
        device: str,
        file: "str | os.PathLike[str] | None" = None,
    ):
        self.kind = kind
        self.device = device
        self.file = file
        if file is not None:
            # A path that cannot be written fails before minutes of measuring.
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        self.values: dict[str, Any] = self._read().get(device, {})

    def save(self) -> None:
        """Writes the file, if there is one."""
        if self.file is None:
            return
        # Read again: another process may have written values meanwhile.
        devices = self._read()
        devices[self.device] = {**devices.get(self.device, {}), **self.values}
        document = {
            "format": f"keras_cakes.{self.kind}",
            "version": VERSION,
            "devices": devices,
        }
        write_text(self.file, json.dumps(document, indent=1) + "\n")

    def _read(self) -> dict[str, dict[str, Any]]:
        if self.file is None or not os.path.exists(self.file):
            return {}
        try:
            document = json.loads(read_text(self.file, _MOST_BYTES))
            header = (document["format"], document["version"])
            if header != (f"keras_cakes.{self.kind}", VERSION):
                raise ValueError(f"format and version {header}")
            devices = document["devices"]
            if not all(isinstance(v, dict) for v in devices.values()):
                raise ValueError("a device that maps nothing")
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
            RecursionError,
        ) as error:
            raise ValueError(
                f"{os.fspath(self.file)}: expected measurements of the "
                f"format 'keras_cakes.{self.kind}', version {VERSION}. "
                f"Received: {shortened(error)}"
            ) from None
        return devices
