"""What a run on clips may be asked for."""

import pytest

from keras_cakes.runs.clips.settings import VARIANTS
from keras_cakes.runs.clips.settings import VideoSettings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "vgg"}, "`network` is expected to be one of.*vgg"),
        ({"crop": "x"}, "`crop` is expected to be one of"),
        ({"channels": 2}, "`channels` is expected to be one of"),
        ({"remainder": "x"}, "`remainder` is expected to be one of"),
        ({"on_error": "x"}, "`on_error` is expected to be one of"),
        ({"short": "x"}, "`short` is expected to be one of"),
        ({"frames": 0}, "`frames` is expected to be an integer of at least 1"),
        ({"views": 0}, "`views` is expected to be an integer of at least 1"),
        ({"epochs": 0}, "`epochs` is expected to be an integer of at least 1"),
        (
            {"search_epochs": 0},
            "`search_epochs` is expected to be an integer of at least 1",
        ),
        (
            {"clips_per_class": -1},
            "`clips_per_class` is expected to be an integer of at least 1",
        ),
        ({"size": (8,)}, "`size` is expected to be 2 positive sizes"),
        ({"size": (8, 0)}, "`size` is expected to be 2 positive sizes"),
        (
            {"decay": -1.0},
            "`decay` is expected to be a finite number of at least 0",
        ),
        (
            {"dropout": 1.0},
            "`dropout` is expected "
            "to be a finite number of at least 0 and below 1",
        ),
        ({"variants": ("manual_1d",)}, "`variants` is expected to name some"),
        ({"flip": 1}, "`flip` is expected to be of type bool"),
        ({"width": True}, "`width` is expected to be of type int"),
    ],
)
def test_bad_settings_name_the_setting(settings, message):
    with pytest.raises(ValueError, match=message):
        VideoSettings(**settings)


def test_a_performance_search_takes_twice_the_epochs():
    settings = VideoSettings(epochs=30)
    assert settings.epochs_of(None) == 30
    assert settings.epochs_of("performance") == 60
    assert settings.epochs_of("cost") == 30
    given = VideoSettings(epochs=30, search_epochs=5)
    assert given.epochs_of("performance") == given.epochs_of("cost") == 5


def test_every_setting_is_described():
    described = VideoSettings.descriptions()
    assert set(VideoSettings.annotations()) == set(described)
    assert described["lasso"].startswith("Strength of the cost-priority")
    assert described["data"].startswith("A CSV list with a column `split`")
    assert VideoSettings().variants == VARIANTS


def test_paths_are_written_in_one_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = VideoSettings(data="x/../data", validation="val", root="")
    assert named.data == str(tmp_path / "data")
    assert named.validation == str(tmp_path / "val")
    assert named.root == ""
