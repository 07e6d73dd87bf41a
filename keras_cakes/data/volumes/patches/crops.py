"""Cuts patches out of volumes in memory or on disk."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from keras_cakes.data.volumes.cases import Volume
from keras_cakes.data.volumes.cases import voxels_of_classes
from keras_cakes.data.volumes.patches.poses import Pose
from keras_cakes.data.volumes.preparing.prepared import PreparedDataset

# TensorFlow takes over arrays on this boundary without a copy.
_ALIGNMENT = 64


@dataclasses.dataclass(frozen=True)
class Source:
    """Holds one volume that patches are cut from.

    Args:
        image: Array `(depth, height, width, channels)`.
        label: Array `(depth, height, width)`.
        foreground: Voxels `(number, 3)` of each class but background.
        intensity: Mean and deviation that normalize each channel; `None` for
            an image that is normalized.
    """

    image: np.ndarray
    label: np.ndarray
    foreground: Sequence[np.ndarray]
    intensity: tuple[np.ndarray, np.ndarray] | None = None


class Tables(NamedTuple):
    """Holds the tables that places of patches are drawn from, int32.

    Args:
        extents: `(depth, height, width)` of each volume, padded.
        voxels: Foreground voxels of all volumes, and one more at the end.
        lists: Begin and length of the list of each class in `voxels`,
            `(volumes, classes, 2)`; classes that are present come first.
        present: Number of classes that are present in each volume.
    """

    extents: Any
    voxels: Any
    lists: Any
    present: Any


class Crops:
    """Cuts patches out of volumes.

    A volume smaller than the patch is centred in zeros, the mean.

    Raises:
        ValueError: If volumes differ in their number of channels.
    """

    def __init__(self, sources: Sequence[Source], patch_shape: tuple[int, ...]):
        channels = sorted({source.image.shape[3] for source in sources})
        if len(channels) > 1:
            raise ValueError(
                "`volumes` is expected to share one number of channels. "
                f"Received: channels={channels}"
            )
        self.channels = channels[0]
        self.patch_shape = patch_shape
        shapes = np.array([source.image.shape[:3] for source in sources])
        extents = np.maximum(shapes, patch_shape)
        before = (extents - shapes) // 2
        self._sources = sources
        self._before = before.tolist()
        foreground = [
            [voxels + shift for voxels in source.foreground]
            for source, shift in zip(sources, before, strict=True)
        ]
        self.tables = _tables(extents, foreground)

    def read(
        self,
        cases: Sequence[int],
        starts: Sequence[Sequence[int]],
        poses: Sequence[Pose],
        shape: Sequence[int],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cuts, normalizes and poses several patches.

        Args:
            cases: Number of the volume of each patch.
            starts: First voxel of each patch in the padded volume; voxels
                beyond are zero.
            poses: Flips and turns of each patch.
            shape: `(depth, height, width)` of all.

        Returns:
            Images `(number, depth, height, width, channels)`, float32, and
            labels `(number, depth, height, width)`, int32.
        """
        number = len(cases)
        images = _zeros((number, *shape, self.channels), np.float32)
        labels = _zeros((number, *shape), np.int32)
        for place, (case, start, pose) in enumerate(
            zip(cases, starts, poses, strict=True)
        ):
            source = self._sources[case]
            held, target = [], []
            for first, size, before, length in zip(
                start,
                shape,
                self._before[case],
                source.label.shape,
                strict=True,
            ):
                first -= before
                begin, end = max(first, 0), min(first + size, length)
                end = max(begin, end)
                held.append(slice(begin, end))
                target.append(slice(begin - first, end - first))
            image = pose.source(images[place])[tuple(target)]
            image[...] = source.image[tuple(held)]
            if source.intensity is not None:
                image -= source.intensity[0]
                image /= source.intensity[1]
            label = pose.source(labels[place])
            label[tuple(target)] = source.label[tuple(held)]
        return images, labels


def _check_labels(volumes: Sequence[Any], kind: str) -> None:
    """Refuses volumes without labels, and no volumes."""
    missing = [volume.name for volume in volumes if volume.label is None]
    if missing or not volumes:
        unlabelled = f", without label: {missing[:5]}" if missing else ""
        raise ValueError(
            f"`volumes` is expected to hold labelled {kind}. Received: "
            f"{len(volumes)} {kind}{unlabelled}"
        )


def memory_sources(volumes: Sequence[Volume]) -> list[Source]:
    """Makes sources of volumes in memory; refuses those without labels."""
    _check_labels(volumes, "volumes")
    sources = []
    for volume in volumes:
        label = np.asarray(volume.label)
        if label.shape != volume.image.shape[:3]:
            raise ValueError(
                "`volumes` is expected to hold labels of the shape of "
                f"their image, {volume.image.shape[:3]}. Received: "
                f"{volume.name} of shape {label.shape}"
            )
        classes = int(label.max(initial=0)) + 1
        voxels = voxels_of_classes(label, classes)
        sources.append(Source(volume.image, label, voxels))
    return sources


def prepared_sources(prepared: PreparedDataset) -> list[Source]:
    """Makes sources of prepared cases, whose voxels stay on disk."""
    _check_labels(prepared.cases, "cases")
    return [
        Source(
            case.image,
            case.label,
            np.split(case.foreground, np.cumsum(case.foreground_counts)[:-1]),
            prepared.intensity(case),
        )
        for case in prepared.cases
        if case.label is not None
    ]


def _zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Makes zeros that TensorFlow takes over without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def _tables(
    extents: np.ndarray, foreground: Sequence[Sequence[np.ndarray]]
) -> Tables:
    classes = max([1, *map(len, foreground)])
    none = np.zeros((0, 3), np.int32)
    lists = [
        [*volume, *[none] * (classes - len(volume))] for volume in foreground
    ]
    counts = np.array([[len(v) for v in volume] for volume in lists])
    ends = np.cumsum(counts).reshape(counts.shape)
    found = np.stack([ends - counts, counts], -1)
    order = np.argsort(counts == 0, axis=1, kind="stable")
    tables = (
        extents,
        np.concatenate([*itertools.chain(*lists), np.zeros((1, 3), np.int32)]),
        np.take_along_axis(found, order[..., None], 1),
        np.count_nonzero(counts, axis=1),
    )
    return Tables(*(table.astype(np.int32) for table in tables))
