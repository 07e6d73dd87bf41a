"""The volumes of a segmentation run."""

import dataclasses
from pathlib import Path

from keras_cakes.data.msd import VolumeDataset
from keras_cakes.data.msd import read_fold
from keras_cakes.data.msd import read_msd
from keras_cakes.data.phantom import PHANTOM_CLASSES
from keras_cakes.data.phantom import phantom_volumes
from keras_cakes.data.planted import PLANTED_AXES
from keras_cakes.data.planted import PLANTED_CLASSES
from keras_cakes.data.planted import planted_volumes
from keras_cakes.data.prepared import MANIFEST
from keras_cakes.data.prepared import PreparedDataset
from keras_cakes.data.prepared import open_prepared
from keras_cakes.data.volumes import Case
from keras_cakes.data.volumes import Volume
from keras_cakes.data.volumes import load_case
from keras_cakes.segmentation_settings import SegmentationSettings
from keras_cakes.settings import SYNTHETIC

_TRAINING_PHANTOMS = 24
_VALIDATION_PHANTOMS = 8


@dataclasses.dataclass(frozen=True)
class SegmentationData:
    """Volumes to train on and to validate with.

    Args:
        training: Training volumes, in memory or prepared on disk.
        validation: Validation volumes.
        classes: Names of the classes, background first.
    """

    training: list[Volume] | PreparedDataset
    validation: list[Volume]
    classes: tuple[str, ...]


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
        path = Path(settings.data)
        is_list = path.suffix == ".json"
        folder = path.parent if is_list else path
        dataset = read_msd(folder, path.name if is_list else "dataset.json")
        classes = dataset.classes
        if len(dataset.cases) == 1:
            # It cannot be split; should it be damaged too, that comes first.
            load_case(dataset.cases[0], classes)
        training, validation = (
            [load_case(case, classes) for case in part[: settings.cases]]
            for part in read_fold(folder, dataset, settings.fold)
        )
    return SegmentationData(
        training[: settings.cases], validation[: settings.cases], classes
    )


def _synthetic(
    settings: SegmentationSettings, count: int, seed: int
) -> list[Volume]:
    if settings.data == "phantom":
        return phantom_volumes(count, settings.patch_shape, seed)
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
        settings.patch_shape,
        seed,
        layout="lines" if kind == "lines" else "balls",
    )


def _prepared_data(
    prepared: PreparedDataset, settings: SegmentationSettings
) -> SegmentationData:
    """Training cases stay on disk; those of the validation are few."""
    # A fold may name cases that could not be prepared.
    names = [*(case.name for case in prepared.cases), *prepared.skipped]
    listed = VolumeDataset(
        prepared.folder.name,
        tuple(Case(name, prepared.folder, None) for name in names),
        prepared.classes,
    )
    parts = read_fold(prepared.folder, listed, settings.fold)
    training, validation = (
        prepared.subset([case.name for case in part[: settings.cases]])
        for part in parts
    )
    return SegmentationData(
        training,
        [validation.volume(case) for case in validation.cases],
        prepared.classes,
    )
