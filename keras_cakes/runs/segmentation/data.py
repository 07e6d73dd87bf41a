"""The volumes of a segmentation run."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from keras_cakes.runs.settings import SYNTHETIC

_TRAINING_PHANTOMS = 24
_VALIDATION_PHANTOMS = 8


@dataclasses.dataclass(frozen=True)
class SegmentationData:
    """Volumes to train on and to validate with.

    Args:
        training: Training volumes, in memory or prepared on disk.
        validation: Validation volumes.
        classes: Names of the classes, background first.
        preparation: What was done to the volumes before they were normalized.
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

    def record(self) -> dict[str, Any]:
        """Tells these data from others, wherever they lie."""
        training = self.training
        record: dict[str, Any] = {"classes": list(self.classes)}
        if isinstance(training, PreparedDataset):
            record["manifest_sha256"] = checksum(training.folder / MANIFEST)
            shapes = [(case.name, case.shape) for case in training.cases]
        else:
            shapes = [(v.name, v.image.shape[:3]) for v in training]
        record["training_cases"] = summarize_cases(shapes)
        record["validation_cases"] = summarize_cases(
            (v.name, v.image.shape[:3]) for v in self.validation
        )
        return record

    def prediction_record(
        self, settings: SegmentationSettings
    ) -> dict[str, Any]:
        """Holds what a network of these data needs to label a scan."""
        return {
            "classes": list(self.classes),
            "channels": self.validation[0].image.shape[-1],
            "patch_shape": list(settings.patch_shape),
            "overlap": settings.overlap,
            "preparation": self.preparation.settings(),
            "statistics": dict(self.statistics),
        }


def check_fold(settings: SegmentationSettings) -> None:
    """Finds the fold of the settings without reading a volume.

    Raises:
        DataError: If there is no such fold.
    """
    if settings.data in SYNTHETIC:
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
        DataError: If a file is not what it should be.
    """
    classes: tuple[str, ...]
    if settings.data in SYNTHETIC:
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
            # It cannot be split; should it be damaged too, that comes first.
            load_case(dataset.cases[0], classes)
        training, validation = (
            [load_case(case, classes) for case in part[: settings.cases]]
            for part in read_fold(folder, dataset, fold=settings.fold)
        )
    return SegmentationData(
        training[: settings.cases], validation[: settings.cases], classes
    )


def _listed(settings: SegmentationSettings) -> tuple[Path, VolumeDataset]:
    """Reads the list of cases of a folder in the layout of the MSD."""
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
    if axis not in PLANTED_AXES:
        raise ValueError(
            "`data` is expected to be 'phantom', or 'planted_' or 'lines_' "
            f"with one of {PLANTED_AXES} for volumes. "
            f"Received: data={settings.data!r}"
        )
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
    """Training cases stay on disk; those of the validation are few."""
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
    # A fold may name cases that could not be prepared.
    names = [*(case.name for case in prepared.cases), *prepared.skipped]
    listed = VolumeDataset(
        prepared.folder.name,
        tuple(Case(name, prepared.folder, None) for name in names),
        prepared.classes,
    )
    return read_fold(prepared.folder, listed, fold=fold)
