"""What a run may be asked for."""

import dataclasses
import json

import pytest

from keras_cakes.runs.segmentation.settings import VARIANTS
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from keras_cakes.runs.settings import read_settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"width": 0},
            "`width` is expected to be an integer of at least 1.*width=0",
        ),
        ({"cases": 0}, "`cases` is expected to be an integer of at least 1"),
        ({"steps": 75}, "`steps` is expected to be a multiple of"),
        ({"variants": ("4d",)}, "`variants` is expected to name some of"),
        ({"variants": ()}, "`variants` is expected to name some of"),
        (
            {"overlap": 1.0},
            "`overlap` is expected "
            "to be a finite number of at least 0 and below 1",
        ),
        (
            {"foreground": 2.0},
            "`foreground` is expected to be a finite number from 0 to 1",
        ),
        (
            {"lasso": -1.0},
            "`lasso` is expected to be a finite number of at least 0.*-1.0",
        ),
        (
            {"tolerance": -1.0},
            "`tolerance` is expected to be a finite number of at least 0",
        ),
        ({"tolerance": float("inf")}, "`tolerance` is expected to be a finite"),
        ({"fold": -1}, "`fold` is expected to be an integer of at least 0"),
        ({"seed": 2**31}, "`seed` is expected to be an integer from 0 to"),
        ({"patch_shape": (8, 8)}, "`patch_shape` is expected to be 3"),
        ({"patch_shape": (8, 8, 0)}, "`patch_shape` is expected to be 3"),
        ({"stem_kernel_size": (3,)}, "`stem_kernel_size`.* 3 positive sizes"),
        ({"flip": (3,)}, "`flip` is expected to name axes 0 to 2"),
        ({"channel_multiple": 0}, "`channel_multiple` is.*at least 1.*=0"),
        ({"rule": "best"}, "`rule` is expected to be one of.*best"),
        ({"draw": "x"}, "`draw` is expected to be one of"),
        ({"score": "x"}, "`score` is expected to be one of"),
        (
            {"candidate_kernels": "x"},
            "`candidate_kernels` is expected to be one of",
        ),
        (
            {"budget": 1.5},
            "`budget` is expected "
            "to be a finite number above 0 and at most 1.*1.5",
        ),
        ({"aggregation": "x"}, "`aggregation` is expected to be one of"),
        ({"normalization": "x"}, "`normalization` is expected to be one of"),
        ({"kernel_set": "4d"}, "`kernel_set` is expected to be one of"),
        ({"width": "8"}, "`width` is expected to be of type int.*'8'"),
        ({"cases": "8"}, "`cases` is expected to be of type int"),
        ({"learning_rate": None}, "`learning_rate` is expected to be of type"),
        ({"learning_rate": float("nan")}, "`learning_rate` is expected to be"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SegmentationSettings(**settings)


@pytest.mark.parametrize(
    "text", ["{", "[1]", "1", '{"colour": 1}', '{"width": "8"}']
)
def test_damaged_settings(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="settings.json: the settings"):
        read_settings(SegmentationSettings, path)


def test_settings_come_back_from_json(tmp_path):
    settings = SegmentationSettings(rotate=((0, 2),), cases=3, learning_rate=1)
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(dataclasses.asdict(settings)))
    assert read_settings(SegmentationSettings, path) == settings
    assert settings.variants == VARIANTS


def test_settings_of_earlier_versions_are_read(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"weights": "separate"}')
    settings = read_settings(SegmentationSettings, path)
    assert settings.candidate_kernels == "separate"


def test_annotations_say_what_a_setting_may_be():
    assert SegmentationSettings(cases=None).cases is None
    for name, kind in (("steps", "int"), ("data", "str"), ("flip", "tuple")):
        message = f"`{name}` is expected to be of type {kind}"
        with pytest.raises(ValueError, match=message):
            SegmentationSettings(**{name: None})


def test_a_folder_is_the_same_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = SegmentationSettings(data="x/../data")
    assert named == SegmentationSettings(data=str(tmp_path / "data"))
