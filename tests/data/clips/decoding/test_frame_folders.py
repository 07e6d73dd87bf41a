import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import DataError
from keras_cakes.data.clips.decoding.frame_folders import check_frames
from keras_cakes.data.clips.decoding.frame_folders import check_template
from keras_cakes.data.clips.decoding.frame_folders import count_frames
from keras_cakes.data.clips.decoding.frame_folders import decode_image
from keras_cakes.data.clips.decoding.frame_folders import image_shape
from keras_cakes.data.clips.decoding.frame_folders import iterate_frame_files
from keras_cakes.data.clips.decoding.frame_folders import read_frame_files
from tests.data.clips.video_files import moving
from tests.data.clips.video_files import write_frames

TEMPLATES = [
    ("{:05d}.jpg", 1),
    ("{:05d}.jpg", 0),
    ("img_{:03d}.png", 1),
    ("{}.png", 0),
    ("{0:06d}.jpeg", 7),
]


@pytest.mark.parametrize(("template", "first"), TEMPLATES)
def test_frames_are_those_of_their_files(tmp_path, template, first):
    # Without colours, which JPEG keeps less of.
    frames = np.repeat(moving(12, 15, 21)[..., :1], 3, axis=-1)
    folder = write_frames(tmp_path / "clip", frames, template, first)
    check_template(template, first)
    check_frames(folder, 12, template=template, first_frame=first)
    assert count_frames(folder, template, first_frame=first) == 12
    found = read_frame_files(
        folder, [11, 0, 3, 3], channels=3, template=template, first_frame=first
    )
    if template.endswith("png"):
        np.testing.assert_array_equal(found, frames[[11, 0, 3, 3]])
    else:
        assert np.abs(found.astype(int) - frames[[11, 0, 3, 3]]).mean() < 3
    every = list(
        iterate_frame_files(
            folder, 12, channels=3, template=template, first_frame=first
        )
    )
    np.testing.assert_array_equal(
        every,
        read_frame_files(
            folder, range(12), channels=3, template=template, first_frame=first
        ),
    )
    grey = read_frame_files(
        folder, [2], channels=1, template=template, first_frame=first
    )
    assert grey.shape == (1, 15, 21, 1)


def test_other_files_are_left_alone(tmp_path):
    folder = write_frames(tmp_path / "clip", moving(3, 8, 8))
    for name in ("flow_00001.jpg", "00001.png", "cover.jpg", "Thumbs.db"):
        (folder / name).write_bytes(b"")
    assert count_frames(folder, "{:05d}.jpg", first_frame=1) == 3


@pytest.mark.parametrize(
    ("missing", "first", "message"),
    [
        (2, 1, "no 00002.jpg, but 3 others, .*'00004.jpg', '00005.jpg'"),
        (1, 1, "no 00001.jpg, but 4 others"),
        # Numbers begin with another one than stated.
        (None, 0, "no 00000.jpg, but 5 others"),
        (None, 2, "no 00006.jpg, but 1 others, .*'00001.jpg'"),
    ],
)
def test_holes_and_other_first_numbers(tmp_path, missing, first, message):
    folder = write_frames(tmp_path / "clip", moving(5, 8, 8))
    if missing is not None:
        (folder / f"{missing:05}.jpg").unlink()
    with pytest.raises(DataError, match=message) as caught:
        count_frames(folder, "{:05d}.jpg", first_frame=first)
    assert str(caught.value).startswith(str(folder))


def test_no_frames_and_no_folder(tmp_path):
    with pytest.raises(DataError, match="nowhere: a folder of frames is exp"):
        count_frames(tmp_path / "nowhere", "{:05d}.jpg", first_frame=1)
    with pytest.raises(DataError, match="no 00001.jpg, but 0 others"):
        count_frames(tmp_path, "{:05d}.jpg", first_frame=1)


@pytest.mark.parametrize(
    ("frames", "first", "missing"), [(6, 1, "00006"), (3, 0, "00000")]
)
def test_more_frames_than_there_are(tmp_path, frames, first, missing):
    folder = write_frames(tmp_path / "clip", moving(5, 8, 8))
    with pytest.raises(
        DataError, match=f"{frames} frames, .*Received: no file {missing}.jpg"
    ):
        check_frames(folder, frames, template="{:05d}.jpg", first_frame=first)


@pytest.mark.parametrize(
    "template",
    [
        "frame.jpg",
        "{:05d",
        "{name}.jpg",
        "{:05d}_{:05d}.jpg",
        "rgb/{:05d}.jpg",
        "../{:05d}.jpg",
        "{:zz}.jpg",
        "",
    ],
)
def test_templates_that_name_no_file(template):
    with pytest.raises(ValueError, match="`template` is expected to name"):
        check_template(template, 1)


def test_a_negative_first_number():
    with pytest.raises(ValueError, match="`first_frame`.*first_frame=-1"):
        check_template("{:05d}.jpg", -1)


def test_shapes_are_told_by_headers():
    frame = moving(1, 9, 13)[0]
    png, jpeg = tf.io.encode_png(frame), tf.io.encode_jpeg(frame)
    for content in (png.numpy(), jpeg.numpy()):
        assert image_shape(content) == (9, 13)
        assert decode_image(content, 3).shape == (9, 13, 3)
    with pytest.raises(ValueError, match="begins with b'GIF89a"):
        image_shape(b"GIF89a" + bytes(20))
    with pytest.raises(ValueError, match="a damaged JPEG file"):
        image_shape(b"\xff\xd8\xff\xe0")
