"""Video files, opened with care."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_cakes._errors import DataError
from keras_cakes.data.video.completeness import check_complete

# Of a frame: a little more than 8K. A decoder holds some twenty of them.
MOST_PIXELS = 8192 * 4352
# Formats that hold their video themselves; lists of other files are none.
_FORMATS = "mov,matroska,avi,gif"
_OPTIONS = {
    "format_whitelist": _FORMATS,
    "protocol_whitelist": "file",
    "max_pixels": str(MOST_PIXELS),
}


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Opens a video file.

    Args:
        path: A file of mp4, webm, avi or gif, whatever its ending says.

    Yields:
        The container and its first video stream, with a decoder of one
        thread that stops at damage instead of guessing what was there.

    Raises:
        DataError: If the file is missing, damaged or truncated, has no video
            or frames beyond the bound; also for damage that is found while
            it is open. The message names the file.
        ImportError: If PyAV is not installed.
    """
    av = import_av()
    try:
        is_file = path.is_file()
    except OSError as error:
        raise _no_video(path, f"{type(error).__name__}: {error}") from None
    if not is_file:
        raise _no_video(path, "no such file")
    check_complete(path)
    try:
        # Names such as `concat:` mean something to the library.
        with av.open(
            f"file:{path}", options=_OPTIONS, metadata_errors="replace"
        ) as container:
            yield container, _stream(path, container, av)
    except (av.FFmpegError, EOFError, UnicodeError) as error:
        raise _no_video(
            path, f"{type(error).__name__}: {str(error)[:300]}"
        ) from None


def import_av() -> Any:
    """PyAV, or an ImportError that says what to install."""
    try:
        import av
    except ImportError:
        raise ImportError(
            "Reading video files needs PyAV: pip install "
            "'keras-cakes[video]'. Received: no module av"
        ) from None
    return av


def _stream(path: Path, container: Any, av: Any) -> Any:
    streams = [
        stream
        for stream in container.streams.video
        # The cover of a sound file.
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams})
        raise _no_video(path, f"streams of {kinds}")
    stream = streams[0]
    context = stream.codec_context
    if context is None:
        raise _no_video(path, "a codec that is not known")
    if not 0 < context.width * context.height <= MOST_PIXELS:
        raise DataError(
            f"{path}: frames of 1 to {MOST_PIXELS} pixels are expected. "
            f"Received: width={context.width}, height={context.height}"
        )
    # Clips are decoded side by side; threads within each only wait.
    context.thread_count = 1
    context.options = {
        "max_pixels": str(MOST_PIXELS),
        "err_detect": "explode",
    }
    return stream


def _no_video(path: Path, received: str) -> DataError:
    return DataError(
        f"{path}: a readable video file (mp4, webm, avi or gif) is expected. "
        f"Received: {received}"
    )
