"""Small videos and folders of frames, written on the spot."""

import fractions
import os
import struct
from pathlib import Path

# Or the encoder of AV1 tells all about itself.
os.environ.setdefault("SVT_LOG", "-1")

import av
import numpy as np

# What can be written here; each is a container, a codec and its options.
KINDS = {
    "h264.mp4": ("libx264", "yuv420p", {"g": "9", "bf": "3"}),
    "open_gop.mp4": (
        "libx264",
        "yuv420p",
        {"x264-params": "keyint=8:open-gop=1:bframes=3"},
    ),
    "intra_refresh.mp4": (
        "libx264",
        "yuv420p",
        {"x264-params": "keyint=8:intra-refresh=1:bframes=0"},
    ),
    "long_gop.mp4": ("libx264", "yuv420p", {"bf": "4", "b-pyramid": "normal"}),
    "h264.mkv": ("libx264", "yuv444p", {"g": "5"}),
    "h264.avi": ("libx264", "yuv420p", {"g": "7", "bf": "2"}),
    "fragments.mp4": ("libx264", "yuv420p", {"g": "6"}),
    "hevc.mp4": (
        "libx265",
        "yuv420p",
        {"x265-params": "keyint=8:log-level=none"},
    ),
    "mpeg4.mp4": ("mpeg4", "yuv420p", {"g": "8", "bf": "2"}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"g": "8", "bf": "2"}),
    "vp8.webm": (
        "libvpx",
        "yuv420p",
        {"g": "8", "auto-alt-ref": "1", "lag-in-frames": "12"},
    ),
    "vp9.webm": (
        "libvpx-vp9",
        "yuv420p",
        {"g": "8", "lag-in-frames": "12", "cpu-used": "8"},
    ),
    "av1.mp4": ("libsvtav1", "yuv420p", {"g": "8", "preset": "12"}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "grey.mp4": ("libx264", "gray", {"g": "6"}),
    "pictures.gif": ("gif", "rgb8", {}),
}
_MUXER = {"fragments.mp4": {"movflags": "frag_keyframe+empty_moov"}}


def moving(frames=24, height=48, width=64, seed=0):
    """Uint8 frames `(time, height, width, 3)` of a picture that moves."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (height // 4 + 20, width // 4 + 20, 3))
    large = np.kron(coarse, np.ones((4, 4, 1)))
    noise = generator.normal(0, 6, (frames, height, width, 1))
    return np.stack(
        [
            np.clip(
                large[time : time + height, 2 * time % 70 :][:, :width]
                + noise[time],
                0,
                255,
            ).astype("uint8")
            for time in range(frames)
        ]
    )


def write_video(path, frames, kind=None, times=None, sound=False, **options):
    """Writes frames as the kind of video that the name of the file tells.

    Args:
        path: The file.
        frames: Uint8 array `(time, height, width, 3)`.
        kind: One of `KINDS`.
        times: A time for each frame, in 1/1000 s; by default 25 per second.
        sound: Whether there is a stream of sound besides.
        options: Further options of the encoder.
    """
    path = Path(path)
    codec, pixels, known = KINDS[kind or path.name]
    ending = (kind or path.name).rpartition(".")[2]
    form = {"mkv": "matroska"}.get(ending, ending)
    muxer = _MUXER.get(kind or path.name, {})
    with av.open(str(path), "w", format=form, options=muxer) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.options = {**known, **options}
        stream.codec_context.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = fractions.Fraction(1, 1000)
        if sound:
            _sound(container)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, "rgb24")
            if times is not None:
                picture.pts = int(times[number])
                picture.time_base = fractions.Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_sound(path):
    """Writes a file of sound alone."""
    with av.open(str(path), "w", format="mp4") as container:
        _sound(container)
    return path


def all_frames(path, channels=3):
    """Every frame, decoded in order by the shortest program for it."""
    with av.open(str(path)) as container:
        return np.stack(
            [
                frame.to_ndarray(format="rgb24" if channels == 3 else "gray")
                for frame in container.decode(video=0)
            ]
        ).reshape(-1, *_size(path), channels)


def write_frames(folder, frames, template="{:05d}.jpg", first=1):
    """Writes a folder of frames."""
    import tensorflow as tf

    folder = Path(folder)
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=first):
        file = folder / template.format(number)
        is_png = file.suffix == ".png"
        encoded = (tf.io.encode_png if is_png else tf.io.encode_jpeg)(frame)
        file.write_bytes(encoded.numpy())
    return folder


def set_matrix(path, *matrix):
    """Writes how an mp4 file is shown: a, b, c and d of its matrix."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    a, b, c, d = (value * 65536 for value in matrix)
    struct.pack_into(">9i", content, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(content))


def _sound(container):
    stream = container.add_stream("aac", rate=16000)
    samples = np.zeros((1, 1024), "float32")
    for number in range(8):
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, 1024 * number
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _size(path):
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.height, context.width
