import json

import pytest

from keras_cakes.cost.time.measurements import Measurements


def test_devices_share_a_file(tmp_path):
    file = tmp_path / "values.json"
    one = Measurements("plans", "one", file)
    other = Measurements("plans", "other", file)
    one.values["a"] = 1
    one.save()
    other.values["a"] = 2
    other.save()
    late = Measurements("plans", "one", file)
    late.values["b"] = 3
    one.values["c"] = 4
    one.save()
    late.save()
    assert Measurements("plans", "one", file).values == {
        "a": 1,
        "b": 3,
        "c": 4,
    }
    assert Measurements("plans", "other", file).values == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["values.json"]


def test_the_folder_is_made_before_anything_is_measured(tmp_path):
    Measurements("plans", "one", tmp_path / "a" / "b" / "values.json")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Measurements("plans", "one", tmp_path / "file" / "values.json")


def test_memory_only():
    values = Measurements("plans", "one")
    values.values["a"] = 1
    values.save()
    assert Measurements("plans", "one").values == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        "null",
        '{"format": "keras_cakes.plans", "version": 2, "devices": {}}',
        '{"format": "keras_cakes.plans", "version": 1, "devices": []}',
        '{"format": "keras_cakes.plans", "version": 1, "devices": {"a": 1}}',
    ],
)
def test_a_file_of_anything_else_is_refused_and_kept(text, tmp_path):
    file = tmp_path / "values.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="values.json: expected measurements"):
        Measurements("plans", "one", file)
    assert file.read_text() == text


def test_a_file_that_turned_bad_is_kept(tmp_path):
    file = tmp_path / "values.json"
    values = Measurements("plans", "one", file)
    file.write_text(json.dumps({"mine": 1}))
    with pytest.raises(ValueError, match="expected measurements"):
        values.save()
    assert json.loads(file.read_text()) == {"mine": 1}
