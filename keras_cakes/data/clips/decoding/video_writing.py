"""Writes clips as video files."""

import os
from pathlib import Path

import numpy as np

from keras_cakes._errors import expect
from keras_cakes._errors import whole
from keras_cakes._files import atomic
from keras_cakes.data.clips.decoding.packets import import_av


def write_video(
    frames: np.ndarray, path: str | os.PathLike[str], *, rate: int = 10
) -> None:
    """Writes frames as H.264 in an mp4 file, whole or not at all.

    Values change a little: colours are stored at half the resolution, and
    details that can hardly be seen are left out.

    Args:
        frames: Uint8 array `(time, height, width, channels)`, 1 channel or 3,
            height and width even.
        path: The file, ending in `.mp4`.
        rate: Frames per second.

    Raises:
        ImportError: If PyAV is not installed.
        ValueError: If an argument is not as stated.
    """
    path = Path(path)
    if (
        frames.dtype != np.uint8
        or frames.ndim != 4
        or 0 in frames.shape
        or frames.shape[1] % 2
        or frames.shape[2] % 2
        or frames.shape[3] not in (1, 3)
    ):
        raise ValueError(
            "`frames` is expected to be uint8 of shape (time, height, width, "
            "channels), height and width even, 1 channel or 3. "
            f"Received: {frames.dtype} of shape {frames.shape}"
        )
    expect("path", str(path), path.suffix == ".mp4", "to end in .mp4")
    whole("rate", rate, least=1)
    av = import_av()
    with (
        atomic(path) as temporary,
        av.open(f"file:{temporary}", "w", format="mp4") as container,
    ):
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # With one thread and one quantizer, the same frames give the same
        # bytes; an adaptive quantizer was seen to differ from run to run.
        stream.options = {"qp": "14"}
        stream.codec_context.thread_count = 1
        for frame in frames:
            is_grey = frame.shape[-1] == 1
            picture = av.VideoFrame.from_ndarray(
                frame[..., 0] if is_grey else frame,
                "gray" if is_grey else "rgb24",
            )
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
