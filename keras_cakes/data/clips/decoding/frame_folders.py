"""Reads folders of frames: one JPEG or PNG file for each."""

import os
import re
import struct
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import expect
from keras_cakes._errors import whole
from keras_cakes.data.clips.decoding.packets import MOST_PIXELS

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


def check_template(template: str, first_frame: int) -> None:
    """Refuses a template that does not name files by their number."""
    try:
        names = {template.format(number) for number in (1, 2)}
    except (IndexError, KeyError, ValueError):
        names = set()
    fits = (
        len(names) == 2
        and _pattern(template) is not None
        and all(Path(name).name == name for name in names)
    )
    expected = "to name a file by its number, such as '{:05d}.jpg'"
    expect("template", template, fits, expected)
    whole("first_frame", first_frame, least=0)


def check_frames(
    folder: Path, frames: int, *, template: str, first_frame: int
) -> None:
    """Refuses a folder without the first or the last of the frames."""
    for number in (0, frames - 1):
        path = folder / template.format(first_frame + number)
        if not path.is_file():
            raise DataError(
                f"{folder}: {frames} frames, the first of them "
                f"{template.format(first_frame)}, are expected. "
                f"Received: no file {path.name}"
            )


def count_frames(folder: Path, template: str, *, first_frame: int) -> int:
    """Counts the frames of a folder; ignores other files.

    Raises:
        DataError: If there is no frame, one is missing between others, or
            one comes before the first.
    """
    try:
        names = set(os.listdir(folder))
    except OSError as error:
        raise DataError(
            f"{folder}: a folder of frames is expected. Received: "
            f"{type(error).__name__}: {error}"
        ) from None
    count = 0
    while template.format(first_frame + count) in names:
        count += 1
    pattern = _pattern(template)
    alike = [n for n in names if pattern is not None and pattern.fullmatch(n)]
    if not count or len(alike) > count:
        expected = template.format(first_frame + count)
        raise DataError(
            f"{folder}: frames {template.format(first_frame)} and so on, none "
            f"left out, are expected. Received: no {expected}, but "
            f"{len(alike) - count} others, {sorted(alike)[:2]} to "
            f"{sorted(alike)[-2:]}"
        )
    return count


def read_frame_files(
    folder: Path,
    frames: "Sequence[int] | np.ndarray",
    *,
    channels: int,
    template: str,
    first_frame: int,
) -> np.ndarray:
    """Reads frames of a folder; the number of the first file is frame 0.

    Returns:
        Uint8 array `(n, height, width, channels)`.

    Raises:
        DataError: If a file is missing, damaged, neither JPEG nor PNG, or
            differs in size from the first.
    """
    wanted, inverse = np.unique(np.asarray(frames), return_inverse=True)
    found: list[np.ndarray] = []
    for number in wanted.tolist():
        path = folder / template.format(first_frame + number)
        shape = found[0].shape if found else None
        found.append(_read(path, channels, shape))
    return np.stack(found)[inverse]


def iterate_frame_files(
    folder: Path,
    frames: int,
    *,
    channels: int,
    template: str,
    first_frame: int,
) -> Iterator[np.ndarray]:
    """Yields all frames of a folder in order; reads one at a time."""
    shape = None
    for number in range(first_frame, first_frame + frames):
        frame = _read(folder / template.format(number), channels, shape)
        shape = frame.shape
        yield frame


def image_shape(content: bytes) -> tuple[int, int]:
    """Reads height and width from the header of a JPEG or PNG file."""
    import tensorflow as tf

    if content.startswith(_PNG) and len(content) > 24:
        width, height = struct.unpack(">2I", content[16:24])
        return height, width
    if content.startswith(_JPEG):
        try:
            height, width, _ = tf.io.extract_jpeg_shape(content).numpy()
        except tf.errors.InvalidArgumentError:
            raise ValueError("a damaged JPEG file") from None
        return int(height), int(width)
    raise ValueError(f"a file that begins with {content[:8]!r}")


def decode_image(content: bytes, channels: int) -> np.ndarray:
    """Decodes a JPEG or PNG file; refuses others and too large ones."""
    import tensorflow as tf

    height, width = image_shape(content)
    if not 0 < height * width <= MOST_PIXELS:
        raise ValueError(f"a size of {height} x {width} pixels")
    decode: Any = (
        tf.io.decode_png if content.startswith(_PNG) else tf.io.decode_jpeg
    )
    try:
        with tf.device("CPU"):
            return decode(content, channels=channels).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(str(error.message)[:200]) from None


def _read(
    path: Path, channels: int, shape: tuple[int, ...] | None
) -> np.ndarray:
    try:
        frame = decode_image(path.read_bytes(), channels)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: a readable JPEG or PNG file is expected. Received: "
            f"{type(error).__name__}: {error}"
        ) from None
    if shape not in (None, frame.shape):
        raise DataError(
            f"{path}: a frame of the size of those before, {shape}, is "
            f"expected. Received: {frame.shape}"
        )
    return frame


def _pattern(template: str) -> "re.Pattern[str] | None":
    """Returns a pattern of the names that a template gives."""
    parts = re.fullmatch(r"([^{}]*)\{[^{}]*\}([^{}]*)", template)
    if parts is None:
        return None
    return re.compile(f"{re.escape(parts[1])}\\d+{re.escape(parts[2])}")
