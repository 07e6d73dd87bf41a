"""Where patches are cut from: volumes in memory, or prepared ones on disk."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes.data.prepared import PreparedDataset
from keras_cakes.data.volumes import Volume


class MemoryCrops:
    """Crops of volumes in memory, all in one tensor.

    A volume smaller than the patch is centred in it; the rest of the padding
    lies behind and is never drawn.

    Args:
        volumes: Labelled volumes.
        patch_shape: `(depth, height, width)`.

    Raises:
        ValueError: If there is none, one has no label or a label of another
            shape, or channels differ.
    """

    def __init__(self, volumes: Sequence[Volume], patch_shape: tuple[int, ...]):
        import tensorflow as tf

        if not volumes or any(volume.label is None for volume in volumes):
            raise ValueError(
                "`volumes` is expected to hold labelled volumes. Received: "
                f"{len(volumes)} volumes, without label: "
                f"{[v.name for v in volumes if v.label is None][:5]}"
            )
        self.count = len(volumes)
        self.channels = _channels([v.image.shape[-1] for v in volumes])
        extents = _extents([v.image.shape[:3] for v in volumes], patch_shape)
        shape = (len(volumes), *extents.max(axis=0))
        images = np.zeros((*shape, self.channels), np.float32)
        labels = np.zeros(shape, np.uint8)
        for index, volume in enumerate(volumes):
            before = _before(volume.image.shape[:3], patch_shape)
            window: Any = tuple(
                slice(first, first + size)
                for first, size in zip(before, volume.image.shape, strict=False)
            )
            label = np.asarray(volume.label)
            if label.shape != volume.image.shape[:3]:
                raise ValueError(
                    "`volumes` is expected to hold labels of the shape of "
                    f"their image, {volume.image.shape[:3]}. Received: "
                    f"{volume.name} of shape {label.shape}"
                )
            images[(index, *window)] = volume.image
            labels[(index, *window)] = label
        lists = [_voxels(label) for label in labels]
        self._images = tf.convert_to_tensor(images)
        self._labels = tf.convert_to_tensor(labels)
        self.extents = tf.convert_to_tensor(extents)
        self.voxels, self.offsets = _foreground_tables(lists)

    def read(self, case: Any, start: Any, shape: tuple[int, ...]) -> Any:
        """A crop of a case: image and label of static shape."""
        import tensorflow as tf

        image = tf.slice(
            self._images,
            tf.concat([[case], start, [0]], 0),
            [1, *shape, self.channels],
        )[0]
        label = tf.slice(
            self._labels, tf.concat([[case], start], 0), [1, *shape]
        )[0]
        return image, label


class MappedCrops:
    """Crops of prepared volumes, which stay on disk until they are read.

    Args:
        prepared: Prepared cases with labels.
        patch_shape: `(depth, height, width)`.

    Raises:
        ValueError: If there is none, one has no label, or channels differ.
    """

    def __init__(self, prepared: PreparedDataset, patch_shape: tuple[int, ...]):
        import tensorflow as tf

        cases = prepared.cases
        self._labels = [c.label for c in cases if c.label is not None]
        if not cases or len(self._labels) < len(cases):
            raise ValueError(
                "`volumes` is expected to hold labelled cases. Received: "
                f"{len(cases)} prepared cases, without label: "
                f"{[c.name for c in cases if c.label is None][:5]}"
            )
        self.count = len(cases)
        self.channels = _channels([c.record["shape"][3] for c in cases])
        self._cases = cases
        self._before = [_before(case.shape, patch_shape) for case in cases]
        self._intensities = [prepared.intensity(case) for case in cases]
        self.extents = tf.convert_to_tensor(
            _extents([case.shape for case in cases], patch_shape)
        )
        self.voxels, self.offsets = _foreground_tables(
            [
                np.split(
                    case.foreground + before,
                    np.cumsum(case.foreground_counts)[:-1],
                )
                for case, before in zip(cases, self._before, strict=True)
            ]
        )

    def read(self, case: Any, start: Any, shape: tuple[int, ...]) -> Any:
        """A crop of a case: image and label of static shape."""
        import tensorflow as tf

        def crop(case, start):
            return self._crop(int(case), start, shape)

        image, label = tf.numpy_function(
            crop, [case, start], [tf.float32, tf.uint8]
        )
        image.set_shape((*shape, self.channels))
        label.set_shape(shape)
        return image, label

    def _crop(self, number: int, start: Any, shape: Any) -> Any:
        case, mean_and_deviation = (
            self._cases[number],
            self._intensities[number],
        )
        image = np.zeros((*shape, self.channels), np.float32)
        label = np.zeros(shape, np.uint8)
        target: list[slice] = []
        source: list[slice] = []
        for first, size, before, held in zip(
            start, shape, self._before[number], case.shape, strict=True
        ):
            first = int(first) - int(before)
            begin, end = max(first, 0), min(first + size, held)
            source.append(slice(begin, max(end, begin)))
            target.append(slice(begin - first, max(end, begin) - first))
        mean, deviation = mean_and_deviation
        inside = image[tuple(target)]
        # What lies beyond the volume stays zero, the mean.
        np.subtract(case.image[tuple(source)], mean, out=inside)
        np.divide(inside, deviation, out=inside)
        label[tuple(target)] = self._labels[number][tuple(source)]
        return image, label


def _channels(channels: Sequence[int]) -> int:
    if len(set(channels)) > 1:
        raise ValueError(
            "`volumes` is expected to share one number of channels. "
            f"Received: channels={sorted(set(channels))}"
        )
    return channels[0]


def _extents(
    shapes: Sequence[tuple[int, ...]], patch_shape: tuple[int, ...]
) -> np.ndarray:
    return np.array([np.maximum(s, patch_shape) for s in shapes], np.int32)


def _before(shape: Sequence[int], patch_shape: Sequence[int]) -> np.ndarray:
    """Padding in front of a volume that is smaller than the patch."""
    return np.maximum(np.subtract(patch_shape, shape), 0) // 2


def _voxels(label: np.ndarray) -> list[np.ndarray]:
    """The voxels of each class of a label."""
    flat = label.ravel()
    inside = np.flatnonzero(flat)
    return [
        np.stack(
            np.unravel_index(inside[flat[inside] == value], label.shape), -1
        )
        for value in range(1, int(flat.max(initial=0)) + 1)
    ]


def _foreground_tables(lists: Sequence[Sequence[np.ndarray]]) -> Any:
    """Voxels of each class of each volume, and where each list begins."""
    import tensorflow as tf

    classes = max([1, *map(len, lists)])
    tables, bounds = [], [0]
    for volume in lists:
        for value in range(classes):
            table = volume[value] if value < len(volume) else np.zeros((0, 3))
            tables.append(table)
            bounds.append(bounds[-1] + len(table))
    offsets = np.array(bounds, np.int32)
    starts = np.stack([offsets[:-1], np.diff(offsets)], -1)
    return (
        tf.convert_to_tensor(np.concatenate([*tables, [[-1] * 3]]), tf.int32),
        tf.convert_to_tensor(starts.reshape(len(lists), classes, 2)),
    )
