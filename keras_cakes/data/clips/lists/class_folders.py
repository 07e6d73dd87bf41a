"""Reads folders of clips, one for each class."""

import os
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.decoding.frame_folders import check_template
from keras_cakes.data.clips.lists.listed import ListedClip
from keras_cakes.data.clips.lists.listed import check_options
from keras_cakes.data.clips.lists.listed import checked_classes
from keras_cakes.data.clips.lists.listed import collect

# Endings of video files.
_ENDINGS = {".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm"}


def read_class_folders(
    root: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
    *,
    template: str = "{:05d}.jpg",
    first_frame: int = 1,
    min_frames: int = 1,
    name: str | None = None,
    on_error: str = "raise",
) -> ClipDataset:
    """Reads a folder that holds a folder of clips for each class.

    A clip is a video file, known by its ending, or a folder of frames. All
    frames are counted. Hidden files and files of other endings are ignored.

    Args:
        root: The folder.
        classes: Names of the folders, in the order of the classes; by
            default all folders, sorted.
        template: See `read_clip_list`.
        first_frame: See `read_clip_list`.
        min_frames: See `read_clip_list`.
        name: Name of the data set; by default the name of the folder.
        on_error: `"raise"` stops at the first damaged clip; `"skip"` goes on
            without it, logs it and lists it in `skipped`.

    Returns:
        The clips, class by class, sorted by name, which is the path below
        `root`.

    Raises:
        DataError: If a folder is missing, a clip is damaged, or none is
            left; the message names it.
        ImportError: If there are video files, and PyAV is not installed.
        ValueError: If an argument is not as stated.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for place in ("left/a", "right/b", "right/c"):
        ...     (folder / place).mkdir(parents=True)
        ...     _ = (folder / place / "0.png").write_bytes(b"")
        >>> dataset = read_class_folders(
        ...     folder, template="{}.png", first_frame=0
        ... )
        >>> dataset.classes, [clip.name for clip in dataset.clips]
        (('left', 'right'), ['left/a', 'right/b', 'right/c'])
    """
    root = Path(root)
    check_template(template, first_frame)
    check_options(on_error, min_frames)
    names: Sequence[str]
    if classes is None:
        names = [path.name for path in _visible(root) if path.is_dir()]
        if not names:
            raise DataError(
                f"{root}: a folder for each class is expected. Received: none"
            )
    else:
        names = checked_classes(classes)
    listed = [
        ListedClip(f"{folder}/{path.name}", "", path, None, label)
        for label, folder in enumerate(names)
        for path in _visible(root / folder)
        if path.suffix.lower() in _ENDINGS or path.is_dir()
    ]
    return collect(
        ClipDataset(
            name or root.resolve().name,
            (),
            tuple(names),
            template,
            first_frame,
        ),
        listed,
        min_frames=min_frames,
        on_error=on_error,
        where=str(root),
    )


def _visible(folder: Path) -> list[Path]:
    """Lists a folder, sorted, without hidden files."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{folder}: a folder is expected. Received: "
            f"{type(error).__name__}: {error}"
        ) from None
    return [path for path in paths if not path.name.startswith(".")]
