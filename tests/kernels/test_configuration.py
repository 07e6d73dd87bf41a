import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_cakes.kernels.configuration import Configuration

KERNELS = ["3x3x3", "1x3x3", "3x1x3", "3x3x1", "3x1x1", "1x3x1", "1x1x3"]
CONFIGURATIONS = st.dictionaries(
    st.text(min_size=1, max_size=12),
    st.lists(st.sampled_from(KERNELS), min_size=1, max_size=40),
    max_size=5,
).map(Configuration)


@given(CONFIGURATIONS)
def test_json_round_trip(configuration):
    again = Configuration.from_json(configuration.to_json())
    assert again == configuration
    assert list(again) == list(configuration)
    assert hash(again) == hash(configuration)
    assert again.to_json() == configuration.to_json()


def test_a_change_in_one_layer_is_one_line_of_the_file():
    first = Configuration({"a": {"3x3x3": 4}, "b": {"1x3x3": 4}})
    second = Configuration({"a": {"3x3x3": 4}, "b": {"3x1x1": 4}})
    lines = zip(
        first.to_json().splitlines(),
        second.to_json().splitlines(),
        strict=True,
    )
    assert sum(a != b for a, b in lines) == 1


def test_counts_over_layers_and_repr():
    configuration = Configuration({"a": {"1x1x3": 1}, "b": {"3x3x3": 2}})
    assert configuration.counts == {"3x3x3": 2, "1x1x3": 1}
    assert "2 layers" in repr(configuration)
    assert len(configuration) == 2


def test_immutable():
    configuration = Configuration({"a": {"3x3x3": 4}})
    with pytest.raises(TypeError):
        configuration["a"] = {"1x3x3": 4}
    with pytest.raises(AttributeError):
        configuration.layers = {}


def test_save_and_load(tmp_path):
    configuration = Configuration({"a": ["1x3x3", "3x3x3"]})
    path = tmp_path / "found.json"
    configuration.save(path)
    assert Configuration.load(path) == configuration
    assert os.listdir(tmp_path) == ["found.json"]


def test_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "found.json"
    Configuration({"a": ["1x3x3"]}).save(path)
    old = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Configuration({"a": ["3x3x3"]}).save(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["found.json"]


def _document(**changes):
    document = {
        "format": "keras_cakes.configuration",
        "version": 1,
        "layers": {"a": [["3x3x3", 1]]},
        **changes,
    }
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected to be JSON"),
        ("{", "expected to be JSON"),
        ("[" * 100_000, "expected to be JSON"),
        ("[]", '"format": "keras_cakes.configuration"'),
        ("{}", '"format": "keras_cakes.configuration"'),
        (_document(format="other"), '"format"'),
        (_document(version=2), "version 1 is expected. Received: version=2"),
        (_document(version=True), "version 1 is expected"),
        (_document(version=None), "version 1 is expected"),
        (_document(extra=1), "only 'format', 'version' and 'layers'.*extra"),
        (_document(layers=None), "map layer names"),
        (_document(layers=[1]), "map layer names"),
        (_document(layers={"": [["3x3x3", 1]]}), "non-empty string"),
        (_document(layers={"a": []}), "Layer 'a': .*between 1 and"),
        (_document(layers={"a": [["3x3", 1]]}), "Layer 'a': A sub-kernel"),
        (_document(layers={"a": [["3x3x3", 1e9]]}), "Layer 'a': A channel"),
        (_document(layers={"a": {"3x3x3": 10**12}}), "Layer 'a': A channel"),
        (_document(layers={"a": [[["3x3x3"], 1]]}), "Layer 'a'"),
        (
            '{"format": "keras_cakes.configuration", "version": 1,'
            ' "layers": {"a": [["3x3x3", 1]], "a": [["1x3x3", 1]]}}',
            "the names .'a'. more than once",
        ),
    ],
)
def test_damaged_or_hostile_files(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as info:
        Configuration.load(path)
    assert str(path) in str(info.value)


def test_other_bytes_and_too_large_files(tmp_path, monkeypatch):
    path = tmp_path / "bad.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="bad.json"):
        Configuration.load(path)
    monkeypatch.setattr("keras_cakes.kernels.configuration._MOST_BYTES", 10)
    path.write_text(_document())
    with pytest.raises(ValueError, match="at most 10 bytes"):
        Configuration.load(path)


@pytest.mark.parametrize("layers", [None, [], "a", {1: ["3x3x3"]}])
def test_what_maps_no_layers_is_refused(layers):
    with pytest.raises(ValueError, match="Received: "):
        Configuration(layers)
