import numpy as np
import pytest

from keras_cakes.data import DataError
from keras_cakes.data.clips.decoding.completeness import check_complete
from tests.data.clips.video_files import KINDS
from tests.data.clips.video_files import moving
from tests.data.clips.video_files import write_video


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_pass_and_truncated_ones_do_not(tmp_path, kind):
    path = write_video(tmp_path / kind, moving(4))
    check_complete(path)
    content = path.read_bytes()
    for size in np.linspace(60, len(content) - 20, 12).astype(int):
        path.write_bytes(content[:size])
        if kind == "fragments.mp4" and _ends_with_a_box(content, size):
            continue
        with pytest.raises(DataError, match="complete video file") as caught:
            check_complete(path)
        assert str(path) in str(caught.value)


def test_what_lies_behind_the_end_does_no_harm(tmp_path):
    for kind in ("h264.mp4", "vp9.webm", "h264.avi", "pictures.gif"):
        path = write_video(tmp_path / kind, moving(3))
        with open(path, "ab") as file:
            file.write(b"\0\0\0")
        check_complete(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff",
        b"GIF89a",
        b"GIF89a" + bytes(20),
        b"RIFF\xff\xff\xff\xffAVI ",
        b"\0\0\0\x10ftyp" + bytes(8) + b"\xff\xff\xff\xffmdat",
        b"\0\0\0\x01mdat\xff" + bytes(20),
        b"",
    ],
)
def test_headers_that_state_more_than_there_is(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match="a.mp4: a complete video file"):
        check_complete(path)


def test_other_files_are_left_to_the_decoder(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"something else")
    check_complete(path)
    # Of unknown length, as live streams are.
    path.write_bytes(
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"more"
    )
    check_complete(path)
    path.write_bytes(b"\0\0\0\x10ftyp" + bytes(8) + b"\0\0\0\0mdat")
    check_complete(path)


def _ends_with_a_box(content, size):
    place = 0
    while place < size:
        place += int.from_bytes(content[place : place + 4], "big")
    return place == size
