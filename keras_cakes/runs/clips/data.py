"""Loads the clips of a run."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import ClassVar

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._files import checksum
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.lists.class_folders import read_class_folders
from keras_cakes.data.clips.lists.clip_lists import read_clip_list
from keras_cakes.data.clips.packing.packed import MANIFEST
from keras_cakes.data.clips.packing.packed import PackedClips
from keras_cakes.data.clips.packing.packed import open_packed
from keras_cakes.data.clips.sources import FrameSource
from keras_cakes.data.clips.synthetic.clip_phantom import phantom_clips
from keras_cakes.data.clips.synthetic.planted_clips import planted_clips
from keras_cakes.data.clips.video_clips import VideoClips
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.records import summarize_cases

# Settings by which a new clip becomes the input of a network.
_SEEN = (
    "frames",
    "size",
    "crop",
    "standardize",
    "short",
    "views",
    "crops",
    "batch_size",
)
_TRAINING_PHANTOMS = 512
_VALIDATION_PHANTOMS = 128


@dataclasses.dataclass(frozen=True)
class VideoData:
    """Holds the clips to train on and to validate with.

    Args:
        training: Training clips.
        validation: Validation clips, of the same classes.
    """

    training: FrameSource
    validation: FrameSource

    compared: ClassVar[str] = (
        "classes, names, labels and frames of clips, and manifests"
    )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names the classes."""
        return self.training.classes

    @property
    def training_names(self) -> tuple[str, ...]:
        """Names the training clips."""
        return self.training.names

    def training_data(self, names: Sequence[str] | None = None) -> FrameSource:
        """Returns the training clips, all or only those named."""
        return self.training if names is None else self.training.subset(names)

    def record(self) -> dict[str, Any]:
        """Describes these data without their place."""
        sides = {"training": self.training, "validation": self.validation}
        record: dict[str, Any] = {"classes": list(self.classes)}
        for name, side in sides.items():
            record[f"{name}_clips"] = summarize_cases(
                zip(
                    side.names,
                    side.labels.tolist(),
                    side.frame_counts.tolist(),
                    strict=True,
                )
            )
            if isinstance(side, PackedClips):
                manifest = side.folder / MANIFEST
                record[f"{name}_manifest_sha256"] = checksum(manifest)
        return record

    def prediction_record(self, settings: VideoSettings) -> dict[str, Any]:
        """Describes how a new clip becomes the input of a network."""
        # A pack does not store the names of the files it was made from.
        dataset = (
            self.training.dataset
            if isinstance(self.training, VideoClips)
            else ClipDataset("", (), ())
        )
        return {
            "classes": list(self.classes),
            "channels": self.training.channels,
            **{name: getattr(settings, name) for name in _SEEN},
            "template": dataset.template,
            "first_frame": dataset.first_frame,
        }


def seen_settings(record: Mapping[str, Any]) -> VideoSettings:
    """Reads settings from a `prediction_record`; the others are defaults."""
    values = {name: record[name] for name in ("channels", *_SEEN)}
    return VideoSettings(**{**values, "size": tuple(values["size"])})


def load_video_data(settings: VideoSettings) -> VideoData:
    """Opens, or makes, the clips that the settings name.

    Raises:
        DataError: If a file is damaged, or training and validation clips
            have different classes.
        ValueError: If no validation clips are named.
    """
    training: FrameSource
    validation: FrameSource
    if settings.is_synthetic:
        training, validation = (
            _synthetic(settings, count, settings.seed + side)
            for side, count in enumerate(
                (_TRAINING_PHANTOMS, _VALIDATION_PHANTOMS)
            )
        )
    else:
        path = Path(settings.data)
        if settings.validation:
            training = open_clips(path, settings)
            validation = open_clips(Path(settings.validation), settings)
        elif path.suffix == ".csv":
            training = open_clips(path, settings, settings.training_split)
            validation = open_clips(path, settings, settings.validation_split)
        else:
            parts = (settings.training_split, settings.validation_split)
            training, validation = (
                open_clips(_part(path, name), settings) for name in parts
            )
    if training.classes != validation.classes:
        raise DataError(
            f"{settings.validation or settings.data}: validation clips of "
            f"the classes {training.classes[:5]} are expected. Received: "
            f"{validation.classes[:5]}"
        )
    if settings.clips_per_class is not None:
        training = training.subset(_drawn(training, settings))
    if len(training) < settings.batch_size:
        raise ValueError(
            f"`batch_size` is expected to be at most {len(training)}, the "
            f"number of training clips. Received: {settings.batch_size}"
        )
    return VideoData(training, validation)


def _synthetic(settings: VideoSettings, count: int, seed: int) -> FrameSource:
    if settings.data == "phantom":
        # Larger than `size`, so that crops differ.
        shape = (2 * settings.frames, *(s + s // 4 for s in settings.size))
        return phantom_clips(count, shape, seed=seed, events="both")
    kind = settings.data.removeprefix("planted_")
    # Each frame as it is: another sampling would hide what is planted.
    shape = (settings.frames, *settings.size)
    return planted_clips(count, kind, shape=shape, seed=seed)


def open_clips(
    path: Path, settings: VideoSettings, split: str | None = None
) -> FrameSource:
    """Opens a pack, a list, or class folders.

    Args:
        path: Folder, or file of the list.
        settings: Settings; `channels` and `root` are read.
        split: Split of a CSV list; by default all rows.
    """
    if (path / MANIFEST).is_file():
        return open_packed(path, settings.channels)
    if path.is_dir():
        dataset = read_class_folders(path)
    else:
        dataset = read_clip_list(path, settings.root or None, split=split)
    return VideoClips(dataset, settings.channels)


def _part(folder: Path, name: str) -> Path:
    if not (folder / name).exists():
        raise DataError(
            f"{folder / name}: a pack or class folders are expected, unless "
            "`validation` names the clips to validate with. Received: no "
            "such folder"
        )
    return folder / name


def _drawn(source: FrameSource, settings: VideoSettings) -> list[str]:
    """Draws clips of each class by the seed; returns their names."""
    wanted = settings.clips_per_class
    generator = np.random.default_rng(settings.seed)
    chosen: list[int] = []
    for label in range(len(source.classes)):
        own = np.flatnonzero(source.labels == label)
        chosen += generator.permutation(own)[:wanted].tolist()
    return [source.names[number] for number in sorted(chosen)]
