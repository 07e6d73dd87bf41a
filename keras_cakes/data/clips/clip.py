"""Defines data sets of clips: names, files, labels and classes."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import DataError


@dataclasses.dataclass(frozen=True)
class Clip:
    """Names one clip of a data set and its file.

    Args:
        name: A name that no other clip of the data set has.
        source: A video file, or a folder of frames.
        frames: Number of frames, at least 1.
        label: Index into the classes, or `None`.
    """

    name: str
    source: Path
    frames: int
    label: int | None


@dataclasses.dataclass(frozen=True)
class ClipDataset:
    """Lists clips and their classes.

    Args:
        name: Name of the data set.
        clips: The clips.
        classes: Names of the classes.
        template: Names of frame files in a folder, as a format of their
            number.
        first_frame: Number of the first frame file of a folder, 0 or 1.
        skipped: For each clip that was left out, the reason.
    """

    name: str
    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    template: str = "{:05d}.jpg"
    first_frame: int = 1
    skipped: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clips)

    def subset(self, names: Sequence[str]) -> "ClipDataset":
        """Returns a data set of the clips of these names, in this order.

        Raises:
            DataError: If no clip has such a name, unless it was skipped.
        """
        known = {clip.name: clip for clip in self.clips}
        missing = sorted(set(names) - set(known) - set(self.skipped))
        if missing:
            raise DataError(
                f"{self.name}: names of clips are expected. Received: "
                f"{missing[:5]}, which are not among them"
            )
        chosen = tuple(known[name] for name in names if name in known)
        return dataclasses.replace(self, clips=chosen)
