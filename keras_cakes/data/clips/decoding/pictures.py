"""Turns decoded frames into arrays."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes.data.clips.decoding.packets import import_av


class Pictures:
    """Converts the frames of one video, all of one size.

    Args:
        path: The file, for messages.
        frame: Its first frame.
        channels: 3 for red, green and blue, 1 for grey.

    Attributes:
        shape: `(height, width, channels)` of all frames as they are shown.
    """

    def __init__(self, path: Path, frame: Any, channels: int):
        av = import_av()
        self._path = path
        self._size = frame.width, frame.height
        self._format = "rgb24" if channels == 3 else "gray"
        # Setting one up for each frame would take longer.
        self._reformatter = av.video.reformatter.VideoReformatter()
        self._matrix = _display_matrix(frame, av)
        height, width = frame.height, frame.width
        if self._matrix[1]:
            height, width = width, height
        self.shape = height, width, channels

    def array(self, frame: Any) -> np.ndarray:
        """Converts a frame to a uint8 array `(height, width, channels)`."""
        if (frame.width, frame.height) != self._size:
            raise DataError(
                f"{self._path}: frames of one size are expected, "
                f"{self._size}. Received: {(frame.width, frame.height)}"
            )
        # More threads than one take longer to start than to convert.
        array = self._reformatter.reformat(
            frame, format=self._format, threads=1
        ).to_ndarray()
        a, b, c, d = self._matrix
        if b:
            array = array.swapaxes(0, 1)
            a, d = c, b
        array = array[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
        return array.reshape(self.shape)


def _display_matrix(frame: Any, av: Any) -> tuple[int, int, int, int]:
    """Reads the turn of a frame: signs in `x' = ax + cy`, `y' = bx + dy`."""
    with contextlib.suppress(KeyError):
        data = frame.side_data[av.sidedata.sidedata.Type.DISPLAYMATRIX]
        a, b, _, c, d = np.sign(np.frombuffer(data, np.int32)[:5]).tolist()
        # Other angles are ignored.
        if (a and d and not b and not c) or (b and c and not a and not d):
            return a, b, c, d
    return 1, 0, 0, 1
