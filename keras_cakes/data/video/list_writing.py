"""Lists of clips, written so that they can be read again."""

import csv
import io
import os
from pathlib import Path

from keras_cakes.data.video.records import Clip
from keras_cakes.data.video.records import ClipDataset
from keras_cakes.files import write_text


def write_clip_list(
    dataset: ClipDataset,
    path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
) -> None:
    """Writes a list that `read_clip_list` reads, whole or not at all.

    Args:
        dataset: Clips with labels.
        path: File to write. Ending in `.csv`, it has the columns `path`,
            `label`, which is the name of the class, and `num_frames`; any
            other is text, a line `folder frames label` for each clip, with
            numbers of classes.
        root: Folder that paths are relative to; by default that of the list.

    Raises:
        ValueError: If a clip has no label, does not lie below `root`, or has
            a line break in its path.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> clips = (Clip("a", folder / "clips" / "a", frames=12, label=1),)
        >>> write_clip_list(
        ...     ClipDataset("own", clips, ("left", "right")),
        ...     folder / "train.txt",
        ... )
        >>> (folder / "train.txt").read_text()
        'clips/a 12 1\\n'
    """
    path = Path(path)
    folder = path.parent if root is None else Path(root)
    rows = [
        (_below(clip, folder), clip.frames, _label(clip))
        for clip in dataset.clips
    ]
    if path.suffix.lower() != ".csv":
        lines = [f"{place} {frames} {label}\n" for place, frames, label in rows]
        write_text(path, "".join(lines))
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "label", "num_frames"))
    for place, frames, label in rows:
        writer.writerow((place, dataset.classes[label], frames))
    write_text(path, text.getvalue())


def _label(clip: Clip) -> int:
    if clip.label is None:
        raise ValueError(
            "`dataset` is expected to have labels. "
            f"Received: none for {clip.name!r}"
        )
    return clip.label


def _below(clip: Clip, folder: Path) -> str:
    source = Path(os.path.abspath(clip.source))
    above = Path(os.path.abspath(folder))
    if not source.is_relative_to(above) or len(str(source).splitlines()) > 1:
        raise ValueError(
            f"`dataset` is expected to have clips below {folder}, without "
            f"line breaks in their paths. Received: {str(clip.source)!r}"
        )
    return source.relative_to(above).as_posix()
