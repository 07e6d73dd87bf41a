"""Finds truncated video files by the sizes that they state."""

import os
from pathlib import Path
from typing import IO

from keras_cakes._errors import DataError

# A file of more boxes is no short clip; the decoder then finds the damage.
_MOST_BOXES = 10_000
_SEGMENT = b"\x18\x53\x80\x67"
_CLUSTER = b"\x1f\x43\xb6\x75"
# Bytes: some programs count the header of an AVI file, or padding.
_AVI_SLACK = 16


def check_complete(path: Path) -> None:
    """Compares the size of a file with the size that its content states.

    A decoder takes the end of a truncated file for the end of the video.
    Files of other formats than mp4, webm, avi and gif pass.

    Raises:
        DataError: If the file is empty or truncated, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(16)
            if start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip"):
                stated = _end_of_boxes(file, size)
            elif start[:4] == b"\x1a\x45\xdf\xa3":
                stated = _end_of_segment(file)
            elif start[:4] == b"RIFF" and start[8:12] == b"AVI ":
                stated = int.from_bytes(start[4:8], "little") + 8 - _AVI_SLACK
            elif start[:3] == b"GIF":
                stated = _end_of_gif(file)
            else:
                stated = 1
    except (IndexError, OSError, ValueError) as error:
        raise DataError(
            f"{path}: a complete video file is expected. Received: "
            f"{type(error).__name__}: {error}"
        ) from None
    if stated > size:
        raise DataError(
            f"{path}: a complete video file is expected, of {stated} bytes "
            f"or more as it states. Received: {size} bytes"
        )


def _end_of_boxes(file: IO[bytes], size: int) -> int:
    """Returns the end of the last box of an mp4 file."""
    place = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        header = file.read(16)
        if len(header) < 8:
            break
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            # The box ends with the file, or is none.
            break
        place += length
        if place >= size:
            break
    return place


def _end_of_segment(file: IO[bytes]) -> int:
    """Returns the end of the segment of a Matroska or WebM file.

    An element that reaches beyond the one around it is damaged; a decoder
    would go on behind it and leave out the frames between.
    """
    file.seek(4)
    file.seek(_variable_size(file) or 0, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return 0
    length = _variable_size(file)
    if length is None:
        return 0
    end = file.tell() + length
    ends = [end]
    while ends and file.tell() < end:
        kind = _identifier(file)
        length = _variable_size(file)
        if length is None:
            # In a live stream an element ends where the next begins.
            break
        stop = file.tell() + length
        if stop > ends[-1]:
            if stop > end:
                return stop
            raise ValueError(f"an element that ends at byte {stop}")
        if kind == _CLUSTER:
            ends.append(stop)
        else:
            file.seek(stop)
        while ends and file.tell() == ends[-1]:
            ends.pop()
    return end


def _identifier(file: IO[bytes]) -> bytes:
    """Reads the kind of an EBML element."""
    first = file.read(1)
    return first + file.read(8 - first[0].bit_length())


def _variable_size(file: IO[bytes]) -> int | None:
    """Reads the size of an EBML element; returns `None` if it is open."""
    first = file.read(1)[0]
    more = 8 - first.bit_length()
    value = first & (0x7F >> more)
    rest = file.read(more)
    if len(rest) < more:
        raise ValueError("an element without its size")
    number = value << (8 * more) | int.from_bytes(rest, "big")
    is_open = number == (1 << (7 * (more + 1))) - 1
    return None if is_open else number


def _end_of_gif(file: IO[bytes]) -> int:
    """Returns the end of a GIF file; a missing block puts it past the file."""
    file.seek(0)
    content = file.read()
    beyond = len(content) + 1
    try:
        place = 13 + _colours(content[10])
        while (kind := content[place]) != 0x3B:
            if kind not in (0x21, 0x2C):
                return beyond
            is_image = kind == 0x2C
            place += 11 + _colours(content[place + 9]) if is_image else 2
            while length := content[place]:
                place += 1 + length
            place += 1
    except IndexError:
        return beyond
    return place + 1


def _colours(flags: int) -> int:
    """Returns the bytes of a table of colours."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
