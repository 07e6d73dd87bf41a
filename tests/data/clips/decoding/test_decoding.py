import builtins
import time

import av
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.data import DataError
from keras_cakes.data.clips.decoding import decoding
from keras_cakes.data.clips.decoding import packets
from keras_cakes.data.clips.decoding.decoding import iterate_video
from keras_cakes.data.clips.decoding.decoding import probe_video
from keras_cakes.data.clips.decoding.decoding import read_frames
from keras_cakes.data.clips.decoding.decoding import read_video
from tests.data.clips.video_files import KINDS
from tests.data.clips.video_files import all_frames
from tests.data.clips.video_files import moving
from tests.data.clips.video_files import set_matrix
from tests.data.clips.video_files import write_video

# Time stamps that are not known to name the frames of these.
NEVER_KNOWN = {"h264.avi", "mpeg4.mp4", "mpeg4.avi", "vp8.webm"}
UNEVEN = np.cumsum(np.tile([10, 200, 33, 34, 150, 40], 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One video of each kind, at an even and at an uneven rate."""
    folder = tmp_path_factory.mktemp("videos")
    for kind in KINDS:
        write_video(folder / kind, moving())
        write_video(folder / f"uneven_{kind}", moving(), kind, UNEVEN)
    return folder


@pytest.mark.parametrize("rate", ["", "uneven_"])
@pytest.mark.parametrize("kind", KINDS)
def test_frames_by_number_are_those_of_a_full_decoding(folder, kind, rate):
    path = folder / f"{rate}{kind}"
    full = all_frames(path)
    assert len(full) == 24
    np.testing.assert_array_equal(read_video(path), full)
    np.testing.assert_array_equal(list(iterate_video(path, 3)), full)
    generator = np.random.default_rng(0)
    is_known = False
    for number in range(12):
        frames = generator.integers(0, 24, 5)
        if number == 4:
            frames[0] = 23
        found, is_known = read_frames(
            path, frames, channels=3, is_known=is_known
        )
        np.testing.assert_array_equal(found, full[frames])
    assert is_known == (kind not in NEVER_KNOWN)


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_counts_frames(folder, kind):
    info = probe_video(folder / kind)
    assert (info.frames, info.height, info.width) == (24, 48, 64)
    assert info.rate == pytest.approx(25, rel=0.1)
    codecs = {"h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "mjpeg", "gif"}
    assert info.codec in codecs
    assert probe_video(folder / f"uneven_{kind}").frames == 24


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("kind", ["h264.mp4", "vp9.webm", "pictures.gif"])
def test_very_short_videos(tmp_path, kind, frames):
    path = write_video(tmp_path / kind, moving(frames))
    full = all_frames(path)
    assert probe_video(path).frames == len(full) == frames
    chosen = [frames - 1, 0, 0]
    is_known = False
    for _ in range(2):
        found, is_known = read_frames(
            path, chosen, channels=3, is_known=is_known
        )
        np.testing.assert_array_equal(found, full[chosen])
    with pytest.raises(DataError, match=f"Received: {frames} frames in all"):
        read_video(path, [0, frames])


@settings(max_examples=60, deadline=None)
@given(
    frames=st.lists(st.integers(0, 23), max_size=9),
    kind=st.sampled_from(["h264.mp4", "open_gop.mp4", "vp9.webm"]),
    is_known=st.booleans(),
)
def test_any_order_and_repeats(folder, frames, kind, is_known):
    found, _ = read_frames(folder / kind, frames, channels=3, is_known=is_known)
    np.testing.assert_array_equal(found, all_frames(folder / kind)[frames])
    assert found.dtype == np.uint8


def _decoded(monkeypatch, path, frames, is_known):
    """How many frames are decoded for some that are wanted."""
    count = 0
    for name in ("frames", "frames_at"):
        known = getattr(decoding.Packets, name)

        def counted(*arguments, known=known):
            nonlocal count
            for frame in known(*arguments):
                count += 1
                yield frame

        monkeypatch.setattr(decoding.Packets, name, counted)
    found = read_frames(path, frames, channels=3, is_known=is_known)[0]
    monkeypatch.undo()
    np.testing.assert_array_equal(found, all_frames(path)[frames])
    return count


def test_only_what_is_needed_is_decoded(folder, monkeypatch):
    path = folder / "h264.mp4"
    assert _decoded(monkeypatch, path, [0, 3], False) == 4
    # Most would be decoded anyway; then the whole file is known.
    assert _decoded(monkeypatch, path, [3, 22], False) == 24
    # Key frames are 0, 9 and 18.
    assert _decoded(monkeypatch, path, [18], True) == 1
    assert _decoded(monkeypatch, path, [0, 18], True) == 2
    assert _decoded(monkeypatch, path, [8, 18], True) <= 10
    # Key frames that are no clean start are none.
    path = folder / "open_gop.mp4"
    assert _decoded(monkeypatch, path, [23], True) >= 8
    # Frames that nothing is predicted from are left out.
    path = folder / "long_gop.mp4"
    assert _decoded(monkeypatch, path, [23], True) < 20


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((1, 0, 0, 1), lambda frames: frames),
        ((0, 1, -1, 0), lambda frames: np.rot90(frames, -1, (1, 2))),
        ((-1, 0, 0, -1), lambda frames: np.rot90(frames, 2, (1, 2))),
        ((0, -1, 1, 0), lambda frames: np.rot90(frames, 1, (1, 2))),
        ((-1, 0, 0, 1), lambda frames: frames[:, :, ::-1]),
        ((1, 0, 0, -1), lambda frames: frames[:, ::-1]),
        ((0, 1, 1, 0), lambda frames: frames.swapaxes(1, 2)),
        ((0, -1, -1, 0), lambda frames: frames.swapaxes(1, 2)[:, ::-1, ::-1]),
    ],
)
def test_frames_are_turned_as_the_file_says(tmp_path, matrix, turn):
    path = write_video(tmp_path / "h264.mp4", moving(4, 32, 48))
    plain = all_frames(path)
    set_matrix(path, *matrix)
    expected = turn(plain)
    np.testing.assert_array_equal(read_video(path), expected)
    grey = read_video(path, channels=1)
    assert grey.shape == (*expected.shape[:3], 1)
    info = probe_video(path)
    assert (info.height, info.width) == expected.shape[1:3]


@pytest.mark.parametrize("angle", [90, 180, -90])
def test_turns_agree_with_the_angle_that_the_library_tells(tmp_path, angle):
    matrix = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), -90: (0, 1, -1, 0)}
    path = write_video(tmp_path / "h264.mp4", moving(2, 32, 48))
    plain = all_frames(path)
    set_matrix(path, *matrix[angle])
    with av.open(str(path)) as container:
        rotation = next(container.decode(video=0)).rotation
    assert (rotation - angle) % 360 == 0
    turned = np.rot90(plain, angle // 90, (1, 2))
    np.testing.assert_array_equal(read_video(path), turned)


@pytest.mark.parametrize("size", [(47, 63), (1, 7), (2, 130), (33, 16)])
@pytest.mark.parametrize("kind", ["h264.mkv", "mjpeg.avi", "pictures.gif"])
def test_odd_sizes(tmp_path, kind, size):
    path = write_video(tmp_path / kind, moving(3, *size))
    assert read_video(path).shape == (3, *size, 3)
    np.testing.assert_array_equal(read_video(path), all_frames(path))


def test_grey(folder):
    path = folder / "h264.mp4"
    colours, grey = read_video(path), read_video(path, channels=1)
    np.testing.assert_array_equal(grey, all_frames(path, channels=1))
    weights = np.array([0.299, 0.587, 0.114])
    assert np.abs(colours @ weights - grey[..., 0]).mean() < 2
    frames = np.repeat(moving()[..., :1], 3, axis=-1)
    path = write_video(folder / "no_colour", frames, "h264.mp4", crf="1")
    grey = read_video(path, channels=1).astype(int)
    assert np.abs(grey - frames[..., :1]).mean() < 2
    assert np.abs(read_video(path).astype(int) - frames).mean() < 2


def test_gif_as_another_decoder_sees_it(folder):
    path = folder / "pictures.gif"
    expected = tf.io.decode_gif(path.read_bytes()).numpy()
    np.testing.assert_array_equal(read_video(path), expected)


def test_sound_besides_and_another_ending(tmp_path):
    path = write_video(tmp_path / "a.avi", moving(), "h264.mp4", sound=True)
    np.testing.assert_array_equal(
        read_video(path, [5, 2]), all_frames(path)[[5, 2]]
    )
    assert probe_video(path).frames == 24


def test_names_that_mean_something_to_the_library(tmp_path, folder):
    content = (folder / "h264.mp4").read_bytes()
    for name in ("concat:a|b.mp4", "%05d.mp4", "é ü.mp4", "pipe:0"):
        (tmp_path / name).write_bytes(content)
        assert probe_video(tmp_path / name).frames == 24


def test_large_files_are_read_piece_by_piece(folder, monkeypatch):
    monkeypatch.setattr(packets, "_MOST_BYTES", 1000)
    path = folder / "h264.mp4"
    full = all_frames(path)
    assert probe_video(path).frames == 24
    for is_known in (False, True):
        found, is_known = read_frames(
            path, [20, 3], channels=3, is_known=is_known
        )
        np.testing.assert_array_equal(found, full[[20, 3]])
        assert not is_known
    np.testing.assert_array_equal(read_video(path), full)


def test_a_file_that_was_known_and_is_another_now(tmp_path, folder):
    path = tmp_path / "a.mp4"
    for kind in ("h264.mp4", "mpeg4.mp4", "vp8.webm"):
        path.write_bytes((folder / kind).read_bytes())
        found, _ = read_frames(path, [20, 3], channels=3, is_known=True)
        np.testing.assert_array_equal(found, all_frames(path)[[20, 3]])


def test_no_frames_are_asked_for(folder):
    assert read_video(folder / "h264.mp4", []).shape == (0, 48, 64, 3)


@pytest.mark.parametrize(
    ("frames", "channels", "message"),
    [
        ([3, -1], 3, "`frames` is expected to hold numbers from 0 on.*-1"),
        (
            [0],
            2,
            "`channels` is expected to be one of .1, 3.. Received: channels=2",
        ),
    ],
)
def test_arguments(folder, frames, channels, message):
    with pytest.raises(ValueError, match=message):
        read_video(folder / "h264.mp4", frames, channels=channels)


def test_without_the_library(folder, monkeypatch):
    known = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "av":
            raise ImportError(name)
        return known(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ImportError, match=r"pip install 'keras-cakes\[video\]'"
    ):
        probe_video(folder / "h264.mp4")


def test_real_clips(real_data):
    """Frames by number equal those of a full decoding, bit for bit."""
    root = real_data / "gmdcsa24_rgb"
    lines = (root / "videos.csv").read_text().splitlines()
    counts = dict(line.split(",")[:3:2] for line in lines[1:])
    paths = {root / name: int(count) for name, count in counts.items()}
    paths |= {path: None for path in (root / "originals").glob("*.mp4")}
    assert len(paths) == 21
    generator = np.random.default_rng(0)
    for path, count in paths.items():
        full = all_frames(path)
        assert count in (None, len(full))
        assert probe_video(path).frames == len(full)
        np.testing.assert_array_equal(read_video(path), full)
        is_known = False
        for last in (len(full) - 1, len(full) // 3, 0):
            frames = np.append(generator.integers(0, len(full), 7), last)
            start = time.monotonic()
            found, is_known = read_frames(
                path, frames, channels=3, is_known=is_known
            )
            assert time.monotonic() - start < 5
            np.testing.assert_array_equal(found, full[frames])
        assert is_known
