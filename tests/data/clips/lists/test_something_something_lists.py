import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.data import Clip
from keras_cakes.data import ClipDataset
from keras_cakes.data import read_clip_list
from keras_cakes.data.clips.lists.something_something_lists import (
    write_clip_list,
)

CLASSES = ("to the left", "to the right, slowly")


def _dataset(folder, places, make=False):
    clips = []
    for number, place in enumerate(places):
        source = folder / place
        if make:
            source.mkdir(parents=True)
            for frame in range(1, number + 3):
                (source / f"{frame:05d}.jpg").write_bytes(b"")
        clips.append(Clip(place, source, number + 2, number % 2))
    return ClipDataset("own", tuple(clips), CLASSES)


@pytest.mark.parametrize("ending", ["txt", "csv"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_is_written_can_be_read(tmp_path, ending, elsewhere):
    root = tmp_path / "data"
    places = ["a", "b/c 1", "d, e", 'f "g"']
    dataset = _dataset(root, places, make=True)
    path = (tmp_path if elsewhere else root) / f"own.{ending}"
    write_clip_list(dataset, path, root=root if elsewhere else None)
    found = read_clip_list(path, root, classes=CLASSES)
    assert found.clips == dataset.clips
    assert found.classes == dataset.classes


def test_the_text_itself(tmp_path):
    dataset = _dataset(tmp_path, ["a 1", "b"])
    write_clip_list(dataset, tmp_path / "own.txt")
    assert (tmp_path / "own.txt").read_text() == "a 1 2 0\nb 3 1\n"
    write_clip_list(dataset, tmp_path / "own.csv")
    assert (tmp_path / "own.csv").read_text() == (
        'path,label,num_frames\na 1,to the left,2\nb,"to the right, slowly",3\n'
    )


@settings(deadline=None, max_examples=40)
@given(
    st.text(
        st.characters(codec="utf-8", exclude_characters="/\0"),
        min_size=1,
        max_size=8,
    )
)
def test_names_that_do_not_survive_a_list_are_refused(name):
    with tempfile.TemporaryDirectory() as folder:
        dataset = _dataset(Path(folder), [f"clip{name}1"])
        path = Path(folder) / "own.txt"
        if len(f"clip{name}1".splitlines()) > 1:
            with pytest.raises(ValueError, match="without line breaks"):
                write_clip_list(dataset, path)
        else:
            write_clip_list(dataset, path)
            with open(path, encoding="utf-8", newline="") as file:
                assert file.read() == f"clip{name}1 2 0\n"


def test_a_clip_without_label_or_outside_the_root_is_refused(tmp_path):
    clip = Clip("a", tmp_path / "a", 2, None)
    with pytest.raises(ValueError, match="labels. Received: none for 'a'"):
        write_clip_list(
            ClipDataset("own", (clip,), CLASSES), tmp_path / "own.csv"
        )
    outside = _dataset(tmp_path / "one", ["a"])
    (tmp_path / "two").mkdir()
    for root in (None, tmp_path / "two"):
        with pytest.raises(ValueError, match="clips below .*Received: .*one/a"):
            write_clip_list(outside, tmp_path / "two" / "own.txt", root=root)
    assert not list(tmp_path.rglob("own.*"))
