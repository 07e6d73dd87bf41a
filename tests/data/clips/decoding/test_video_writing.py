import sys

import numpy as np
import pytest

from keras_cakes.data import probe_video
from keras_cakes.data import read_video
from keras_cakes.data.clips.decoding.video_writing import write_video
from tests.data.clips.video_files import moving


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_can_be_read(tmp_path, channels):
    steps = np.arange(7 * 34)[:, None] // 7
    smooth = np.stack(np.broadcast_arrays(3 * steps, 200, 20 + steps), -1)
    frames = np.resize(smooth[..., :channels], (7, 34, 1, channels))
    frames = np.repeat(frames, 48, axis=2).astype("uint8")
    path = tmp_path / "a b.mp4"
    write_video(frames, path, rate=12)
    info = probe_video(path)
    assert (info.frames, info.height, info.width) == (7, 34, 48)
    assert (info.codec, info.rate) == ("h264", 12)
    found = read_video(path, channels=channels).astype(int)
    assert np.abs(found - frames).mean() < 2
    assert [file.name for file in tmp_path.iterdir()] == ["a b.mp4"]


def test_black_and_white_stay(tmp_path):
    frames = np.zeros((4, 16, 16, 1), "uint8")
    frames[:, :, 8:] = 255
    write_video(frames, tmp_path / "a.mp4")
    found = read_video(tmp_path / "a.mp4", channels=1)
    np.testing.assert_array_equal(found[:, :, [0, -1]], frames[:, :, [0, -1]])


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in "ab":
        write_video(moving(), tmp_path / f"{name}.mp4")
    first, second = ((tmp_path / f"{n}.mp4").read_bytes() for n in "ab")
    assert first == second


def test_a_wrong_argument_or_no_pyav_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    frames = np.zeros((2, 16, 16, 3), "uint8")
    for wrong in (
        frames.astype(float),
        frames[0],
        frames[:0],
        frames[:, :15],
        frames[:, :, :15],
        frames[..., :2],
    ):
        with pytest.raises(ValueError, match="`frames` is expected.*Received"):
            write_video(wrong, path)
    with pytest.raises(ValueError, match="end in .mp4.*Received: .*a.avi"):
        write_video(frames, tmp_path / "a.avi")
    with pytest.raises(ValueError, match="`rate` .*Received: .*rate=0"):
        write_video(frames, path, rate=0)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"keras-cakes\[video\]"):
        write_video(frames, path)
    assert not list(tmp_path.iterdir())
