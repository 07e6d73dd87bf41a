"""Damaged videos, each made from a good one: a clear error, soon, and small."""

import os
import resource
import struct
import time

import numpy as np
import pytest

from keras_cakes.data import Clip
from keras_cakes.data import ClipDataset
from keras_cakes.data import DataError
from keras_cakes.data import VideoClips
from keras_cakes.data import pack
from keras_cakes.data import probe_video
from keras_cakes.data import read_video
from tests.data.clips.video_files import moving
from tests.data.clips.video_files import write_frames
from tests.data.clips.video_files import write_sound
from tests.data.clips.video_files import write_video

FRAMES = 24


def _cut(share):
    def damage(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return damage


def _as(kind, change=None, frames=FRAMES, **options):
    """Another kind of video, then damaged."""

    def damage(path):
        write_video(path, moving(frames), kind, **options)
        if change is not None:
            change(path)

    return damage


def _replaced(old, new, more=0):
    """Bytes at some distance behind a mark are replaced, wherever it is."""

    def damage(path):
        content = bytearray(path.read_bytes())
        place = content.find(old)
        assert place >= 0
        while place >= 0:
            start = place + len(old) + more
            content[start : start + len(new)] = new
            place = content.find(old, place + 1)
        path.write_bytes(bytes(content))

    return damage


def _noise(start, end):
    """Random bytes in a part of a file."""

    def damage(path):
        content = bytearray(path.read_bytes())
        first, last = (int(len(content) * share) for share in (start, end))
        generator = np.random.default_rng(0)
        content[first:last] = generator.bytes(last - first)
        path.write_bytes(bytes(content))

    return damage


def _loop(path):
    path.unlink()
    other = path.with_name("other")
    other.symlink_to(path.name)
    path.symlink_to(other.name)


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _folder(path):
    path.unlink()
    path.mkdir()


def _two_sizes(path):
    """Frames of two sizes in one stream."""
    large = write_video(path, moving(2, 32, 32), "mjpeg.avi").read_bytes()
    small = write_video(path, moving(2, 16, 16), "mjpeg.avi").read_bytes()
    start = small.index(b"\xff\xd8")
    end = small.index(b"\xff\xd9", start) + 2
    picture = small[start:end]
    place = large.rindex(b"\xff\xd8")
    size = struct.unpack("<I", large[place - 4 : place])[0]
    assert len(picture) <= size
    content = bytearray(large)
    content[place : place + size] = picture.ljust(size, b"\0")
    path.write_bytes(bytes(content))


VIDEOS = {
    "missing": lambda p: p.unlink(),
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("no video"),
    "a list of other files": lambda p: p.write_text(
        "#EXTM3U\n#EXTINF:1,\nother.mp4\n"
    ),
    "another list": lambda p: p.write_text("ffconcat version 1.0\nfile b.mp4"),
    "folder": _folder,
    "link in a circle": _loop,
    "broken link": lambda p: p.unlink() or p.symlink_to("nowhere.mp4"),
    "pipe": _pipe,
    "sound alone": lambda p: p.unlink() or write_sound(p),
    "a picture": lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)),
    "zeros": lambda p: p.write_bytes(bytes(5000)),
    "half of it": _cut(0.5),
    "nearly all": _cut(0.98),
    "its first bytes": _cut(0.01),
    "half of fragments": _as("fragments.mp4", _cut(0.55)),
    "half a webm": _as("vp9.webm", _cut(0.5)),
    "nearly all of a webm": _as("vp9.webm", _cut(0.98)),
    "half an avi": _as("mpeg4.avi", _cut(0.5)),
    "half a gif": _as("pictures.gif", _cut(0.5)),
    "no frame": _as("mjpeg.avi", _replaced(b"00dc", b"JUNK", -4)),
    "frames that do not exist": _replaced(b"stsz", b"\xff\xff\xff", 8),
    "noise in the frames": _noise(0.2, 0.4),
    "noise in a webm": _as("vp9.webm", _noise(0.3, 0.8)),
    "noise in an avi": _as("mjpeg.avi", _noise(0.3, 0.5)),
    "noise in a gif": _as("pictures.gif", _noise(0.3, 0.6)),
    "noise in the head": _noise(0.0, 0.05),
    "noise in the table": _noise(0.9, 1.0),
    "a huge gif": _as("pictures.gif", _replaced(b"GIF89a", b"\xff" * 4)),
    "huge jpeg frames": _as(
        "mjpeg.avi", _replaced(b"\xff\xc0", b"\xff\xdc\xff\xdc", 3)
    ),
    "a huge webm": _as(
        "vp8.webm", _replaced(b"\x9d\x01\x2a", b"\xff\x3f\xff\x3f")
    ),
    "an unknown codec": _replaced(b"stsd", b"abcd", 12),
    "frames of two sizes": _two_sizes,
}
FOLDERS = {
    "missing": lambda p: [file.unlink() for file in p.iterdir()] and p.rmdir(),
    "empty": lambda p: [file.unlink() for file in p.iterdir()],
    "hole": lambda p: (p / "00013.jpg").unlink(),
    "frame of another size": lambda p: (p / "00013.jpg").write_bytes(
        (p.parent / "small" / "00001.jpg").read_bytes()
    ),
    "frame cut short": lambda p: _cut(0.7)(p / "00013.jpg"),
    "empty frame": lambda p: (p / "00013.jpg").write_bytes(b""),
    "text": lambda p: (p / "00013.jpg").write_text("no frame"),
    "noise": lambda p: (p / "00013.jpg").write_bytes(
        b"\xff\xd8\xff" + np.random.default_rng(0).bytes(900)
    ),
    "huge jpeg": lambda p: _replaced(b"\xff\xc0", b"\xff\xdc\xff\xdc", 3)(
        p / "00013.jpg"
    ),
    "huge png": lambda p: (p / "00013.jpg").write_bytes(
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\xff\xff\xff" * 2 + bytes(99)
    ),
    "png without an end": lambda p: (p / "00013.jpg").write_bytes(
        (p.parent / "png" / "00001.png").read_bytes()[:-40]
    ),
    "frame that is a folder": lambda p: (
        (p / "00013.jpg").unlink() or (p / "00013.jpg").mkdir()
    ),
    "frame that is a broken link": lambda p: (
        (p / "00013.jpg").unlink() or (p / "00013.jpg").symlink_to("nowhere")
    ),
}


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "bad.mp4", moving(FRAMES), "h264.mp4")


@pytest.fixture
def frames(tmp_path):
    write_frames(tmp_path / "small", moving(1, 8, 8))
    write_frames(tmp_path / "png", moving(1), "{:05d}.png")
    return write_frames(tmp_path / "bad", moving(FRAMES))


def _source(path):
    clip = Clip("bad", path, FRAMES, 0)
    return VideoClips(ClipDataset("one", (clip,), ("a",)))


def _check(path, read):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        read()
    assert time.monotonic() - start < 5
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 512 << 10
    message = str(caught.value)
    assert message.startswith(str(path)), message
    assert "expected" in message and "Received: " in message, message
    assert len(message) < 1500


def test_the_good_ones_are_read(video, frames):
    for path in (video, frames):
        assert _source(path).read(0, [0, 23]).shape == (2, 48, 64, 3)
    assert read_video(video).shape == (FRAMES, 48, 64, 3)


@pytest.mark.parametrize("damage", VIDEOS)
def test_damaged_videos(video, damage):
    VIDEOS[damage](video)
    _check(video, lambda: read_video(video))
    _check(video, lambda: list(_source(video).frames_of(0)))
    try:
        info = probe_video(video)
    except DataError as error:
        assert str(error).startswith(str(video))
    else:
        # What is wrong with it lies in a frame.
        assert "noise" in damage or "size" in damage
        assert 0 < info.frames <= FRAMES


@pytest.mark.parametrize("damage", FOLDERS)
def test_damaged_folders_of_frames(frames, damage):
    FOLDERS[damage](frames)
    source = _source(frames)
    _check(frames, lambda: list(source.frames_of(0)))
    images, is_read = source.try_read(0, [0, 12])
    assert not is_read and images.shape == (2, 1, 1, 3)
    assert source.failures["bad"].startswith(str(frames))


@pytest.mark.parametrize("place", range(0, 30, 2))
def test_noise_anywhere_is_no_crash(video, place):
    _noise(place / 30, (place + 1) / 30)(video)
    try:
        found = read_video(video)
    except DataError as error:
        assert str(video) in str(error)
    else:
        # Times, names, and what else no frame follows from.
        assert found.shape[1:] == (48, 64, 3)


def test_a_file_that_may_not_be_read(video, monkeypatch):
    known = open

    def refuse(path, *arguments, **keywords):
        if str(path) == str(video):
            raise PermissionError(13, "Permission denied", str(path))
        return known(path, *arguments, **keywords)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match="bad.mp4.*PermissionError"):
        read_video(video)


def test_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(DataError, match="a readable video file.*too long"):
        read_video(tmp_path / f"{'x' * 300}.mp4")


def test_the_others_are_packed_and_all_damage_is_listed(tmp_path):
    clips = []
    good = write_video(tmp_path / "good.mp4", moving(FRAMES), "h264.mp4")
    content = good.read_bytes()
    for number, damage in enumerate(VIDEOS):
        path = tmp_path / str(number) / f"{number}.mp4"
        path.parent.mkdir()
        path.write_bytes(content)
        VIDEOS[damage](path)
        clips.append(Clip(damage, path, FRAMES, 0))
        if number % 10 == 0:
            clips.append(Clip(f"good {number}", good, FRAMES, 0))
    packed = pack(
        ClipDataset("mixed", tuple(clips), ("a",)),
        tmp_path / "out",
        clips_per_shard=7,
        on_error="skip",
        verbose=False,
    )
    assert set(packed.skipped) == set(VIDEOS)
    assert packed.names == ("good 0", "good 10", "good 20", "good 30")
    assert len(packed.skipped) >= 30
