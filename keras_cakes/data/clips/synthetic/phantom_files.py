"""Writes phantom clips as video files, with a list of them."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_cakes._files import write_text
from keras_cakes.data.clips.decoding.video_writing import write_video
from keras_cakes.data.clips.synthetic.clip_phantom import phantom_clips


def write_phantom_clips(
    folder: str | os.PathLike[str],
    clips: int,
    *,
    shape: Sequence[int] = (8, 32, 32),
    seed: int = 0,
    events: str = "motion",
) -> None:
    """Writes phantom clips as mp4 files, and a list of them.

    The list, `videos.csv`, is written last. It has the columns `path`,
    `label`, `num_frames` and `split`: the last of every four clips of a class
    is in `val`, the others are in `train`.

    Args:
        folder: Folder to fill: `videos/<class>/<name>.mp4`, `videos.csv`.
        clips: Number of clips.
        shape: `(frames, height, width)`; height and width even.
        seed: See `phantom_clips`.
        events: See `phantom_clips`.

    Raises:
        ImportError: If PyAV is not installed.
        ValueError: If an argument is not as stated.
    """
    folder = Path(folder)
    source = phantom_clips(clips, shape, seed=seed, events=events)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", "label", "num_frames", "split"))
    for name in source.classes:
        (folder / "videos" / name).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(source.names):
        label = source.classes[source.labels[number]]
        path = f"videos/{label}/{name}.mp4"
        frames = np.arange(source.frame_counts[number])
        write_video(source.read(number, frames).numpy(), folder / path)
        split = "train" if number // len(source.classes) % 4 < 3 else "val"
        table.writerow((path, label, len(frames), split))
    write_text(folder / "videos.csv", text.getvalue())
