"""Something-Something, counted once and written down as lists."""

import csv
import dataclasses
import io
import os
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes.data.video.list_writing import write_clip_list
from keras_cakes.data.video.records import ClipDataset
from keras_cakes.data.video.something_something import read_something_something
from keras_cakes.files import write_text

_ENDINGS = {1: "txt", 2: "csv"}


def write_something_something_lists(
    folder: str | os.PathLike[str],
    version: int,
    *,
    min_frames: int = 3,
    partial: bool = False,
) -> dict[str, ClipDataset]:
    """Counts the frames of all clips with a label and writes their lists.

    `train` and `validation` are lists as `read_clip_list` reads them, `.txt`
    for version 1 and `.csv` for version 2, `classes.txt` has the name of a
    class in each line, and `left_out.csv` the columns `split`, `clip` and
    `problem`.

    Args:
        folder: Folder of the data set; the lists are written there.
        version: 1 or 2.
        min_frames: Clips of fewer frames are left out, as the published
            reader does.
        partial: Whether a part of the data set will do.

    Returns:
        For each split its clips, and in `skipped` those left out.

    Raises:
        DataError: See `read_something_something`; and, unless `partial`, if
            a clip is missing or damaged. The lists of the others are written
            nevertheless, so that nothing has to be counted again.
        ImportError: If there are video files, and PyAV is not installed.
        ValueError: If `version` is neither 1 nor 2.
    """
    folder = Path(folder)
    datasets = {}
    missing = []
    for split in ("train", "validation"):
        found = read_something_something(
            folder, version, split, partial=partial, on_error="skip"
        )
        missing += list(found.skipped)
        datasets[split] = _without_short(found, min_frames)
    problems = io.StringIO()
    table = csv.writer(problems, lineterminator="\n")
    table.writerow(("split", "clip", "problem"))
    for split, dataset in datasets.items():
        write_clip_list(dataset, folder / f"{split}.{_ENDINGS[version]}")
        for name, problem in dataset.skipped.items():
            table.writerow((split, name, problem))
    names = "".join(f"{name}\n" for name in datasets["train"].classes)
    write_text(folder / "classes.txt", names)
    write_text(folder / "left_out.csv", problems.getvalue())
    if missing and not partial:
        raise DataError(
            f"{folder}: all clips are expected; lists of the others are "
            "written, which a partial data set is content with. Received: "
            f"{len(missing)} missing or damaged, {missing[:3]} among them; "
            f"{folder / 'left_out.csv'} says what is wrong"
        )
    return datasets


def _without_short(dataset: ClipDataset, min_frames: int) -> ClipDataset:
    short = {
        clip.name: (
            f"{clip.source}: {min_frames} frames or more are expected. "
            f"Received: {clip.frames}"
        )
        for clip in dataset.clips
        if clip.frames < min_frames
    }
    clips = tuple(clip for clip in dataset.clips if clip.name not in short)
    return dataclasses.replace(
        dataset, clips=clips, skipped={**dataset.skipped, **short}
    )
