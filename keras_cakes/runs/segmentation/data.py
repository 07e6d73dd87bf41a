"""Loads the volumes of a segmentation run."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import ClassVar

from keras_cakes._files import checksum
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.cases import Volume
from keras_cakes.data.volumes.cases import load_case
from keras_cakes.data.volumes.lists.msd import VolumeDataset
from keras_cakes.data.volumes.lists.msd import read_fold
from keras_cakes.data.volumes.lists.msd import read_msd
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepared import MANIFEST
from keras_cakes.data.volumes.preparing.prepared import PreparedDataset
from keras_cakes.data.volumes.preparing.prepared import open_prepared
from keras_cakes.data.volumes.synthetic.phantom import PHANTOM_CLASSES
from keras_cakes.data.volumes.synthetic.phantom import phantom_volumes
from keras_cakes.data.volumes.synthetic.planted import PLANTED_AXES
from keras_cakes.data.volumes.synthetic.planted import PLANTED_CLASSES
from keras_cakes.data.volumes.synthetic.planted import planted_volumes
from keras_cakes.runs.records import summarize_cases
from keras_cakes.runs.segmentation.settings import SegmentationSettings

_TRAINING_PHANTOMS = 24
_VALIDATION_PHANTOMS = 8


@dataclasses.dataclass(frozen=True)
class SegmentationData:
    """Holds the volumes to train on and to validate with.

    Args:
        training: Training volumes, in memory or prepared on disk.
        validation: Validation volumes.
        classes: Names of the classes, background first.
        preparation: Preparation of the volumes, before normalization.
        statistics: Mean and deviation of each channel over the foreground of
            all prepared cases.
    """

    training: list[Volume] | PreparedDataset
    validation: list[Volume]
    classes: tuple[str, ...]
    preparation: Preparation = Preparation(orientation=None)
    statistics: Mapping[str, list[float]] = dataclasses.field(
        default_factory=dict
    )

    compared: ClassVar[str] = (
        "classes, names and shapes of cases, and the manifest"
    )

    @property
    def channels(self) -> int:
        """Counts the channels of an image."""
        return self.validation[0].image.shape[-1]

    @property
    def training_names(self) -> tuple[str, ...]:
        """Names the training volumes."""
        return tuple(name for name, _ in self._training_shapes())

    def training_data(
        self, names: Sequence[str] | None = None
    ) -> list[Volume] | PreparedDataset:
        """Returns the training volumes, all or only those named."""
        if names is None:
            return self.training
        if isinstance(self.training, PreparedDataset):
            return self.training.subset(tuple(names))
        known = {volume.name: volume for volume in self.training}
        return [known[name] for name in names]

    def _training_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        if isinstance(self.training, PreparedDataset):
            return [(case.name, case.shape) for case in self.training.cases]
        return [(v.name, v.image.shape[:3]) for v in self.training]

    def record(self) -> dict[str, Any]:
        """Describes these data without their place."""
        record: dict[str, Any] = {"classes": list(self.classes)}
        if isinstance(self.training, PreparedDataset):
            manifest = self.training.folder / MANIFEST
            record["manifest_sha256"] = checksum(manifest)
        record["training_cases"] = summarize_cases(self._training_shapes())
        record["validation_cases"] = summarize_cases(
            (v.name, v.image.shape[:3]) for v in self.validation
        )
        return record

    def prediction_record(
        self, settings: SegmentationSettings
    ) -> dict[str, Any]:
        """Describes how a new scan becomes the input of a network."""
        return {
            "classes": list(self.classes),
            "channels": self.channels,
            "patch_shape": list(settings.patch_shape),
            "overlap": settings.overlap,
            "preparation": self.preparation.settings(),
            "statistics": dict(self.statistics),
        }


def check_fold(settings: SegmentationSettings) -> None:
    """Looks the fold of the settings up, without reading a volume.

    Raises:
        DataError: If there is no such fold.
    """
    if settings.is_synthetic:
        return
    if (Path(settings.data) / MANIFEST).is_file():
        _split_prepared(open_prepared(settings.data), settings.fold)
    else:
        folder, dataset = _listed(settings)
        read_fold(folder, dataset, fold=settings.fold)


def load_segmentation_data(
    settings: SegmentationSettings,
) -> SegmentationData:
    """Reads, or makes, the volumes that the settings name.

    Raises:
        DataError: If a file is damaged.
    """
    classes: tuple[str, ...]
    if settings.is_synthetic:
        training, validation = (
            _synthetic(settings, count, settings.seed + side)
            for side, count in enumerate(
                (_TRAINING_PHANTOMS, _VALIDATION_PHANTOMS)
            )
        )
        classes = (
            PHANTOM_CLASSES if settings.data == "phantom" else PLANTED_CLASSES
        )
    elif (Path(settings.data) / MANIFEST).is_file():
        return _prepared_data(open_prepared(settings.data), settings)
    else:
        folder, dataset = _listed(settings)
        classes = dataset.classes
        if len(dataset.cases) == 1:
            # One case cannot be split. If it is damaged, say that instead.
            load_case(dataset.cases[0], classes)
        training, validation = (
            [load_case(case, classes) for case in part[: settings.cases]]
            for part in read_fold(folder, dataset, fold=settings.fold)
        )
    return SegmentationData(
        training[: settings.cases], validation[: settings.cases], classes
    )


def _listed(settings: SegmentationSettings) -> tuple[Path, VolumeDataset]:
    """Reads the list of cases of an MSD folder; returns folder and list."""
    path = Path(settings.data)
    is_list = path.suffix == ".json"
    folder = path.parent if is_list else path
    return folder, read_msd(folder, path.name if is_list else "dataset.json")


def _synthetic(
    settings: SegmentationSettings, count: int, seed: int
) -> list[Volume]:
    if settings.data == "phantom":
        return phantom_volumes(count, settings.patch_shape, seed=seed)
    kind, _, axis = settings.data.partition("_")
    return planted_volumes(
        count,
        PLANTED_AXES.index(axis),
        shape=settings.patch_shape,
        seed=seed,
        layout="lines" if kind == "lines" else "balls",
    )


def _prepared_data(
    prepared: PreparedDataset, settings: SegmentationSettings
) -> SegmentationData:
    """Splits prepared cases; only the validation cases are read."""
    training, validation = (
        prepared.subset([case.name for case in part[: settings.cases]])
        for part in _split_prepared(prepared, settings.fold)
    )
    return SegmentationData(
        training,
        [validation.volume(case) for case in validation.cases],
        prepared.classes,
        prepared.preparation,
        prepared.statistics,
    )


def _split_prepared(
    prepared: PreparedDataset, fold: int
) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    # A fold may name cases whose preparation failed.
    names = [*(case.name for case in prepared.cases), *prepared.skipped]
    listed = VolumeDataset(
        prepared.folder.name,
        tuple(Case(name, prepared.folder, None) for name in names),
        prepared.classes,
    )
    return read_fold(prepared.folder, listed, fold=fold)
