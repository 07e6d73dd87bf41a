"""Predicts volumes of any size by a sliding window."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_cakes._errors import expect
from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.volumes.window_passes import window_pass
from keras_cakes.evaluation.volumes.window_sums import summed_slabs
from keras_cakes.evaluation.volumes.windows import Windows


def predict_volume(
    model: keras.Model | Sequence[keras.Model],
    image: np.ndarray,
    *,
    patch_shape: Sequence[int],
    overlap: float = 0.5,
    batch_size: int = 1,
    weighting: str = "constant",
    stride: int | Sequence[int] | None = None,
    flip: Sequence[int] = (),
    online: bool = False,
    progress: bool = False,
) -> np.ndarray:
    """Labels a volume of any size by a sliding window.

    The softmax probabilities of overlapping windows are averaged. A volume
    smaller than the window is padded with zeros, centred as in training,
    and cropped back.

    Args:
        model: Network from `(batch, depth, height, width, channels)` to
            logits of shape `(batch, depth, height, width, classes)`, or a
            list of such networks whose probabilities are averaged.
        image: Array of shape `(depth, height, width, channels)`.
        patch_shape: `(depth, height, width)` of the window.
        overlap: Share of a window that the next one covers again, from 0 to
            below 1.
        batch_size: Windows per call; the last call is filled up, so that
            the network is compiled for one shape.
        weighting: `"constant"`: every voxel of a window counts the same.
            `"gaussian"`: a voxel in the middle, where the network sees more
            of the surroundings, counts for more; the standard deviation is
            1/8 of the window and the smallest weight 0.001.
        stride: Voxels from one window to the next, along all axes or each,
            from 1 to the size of the window; instead of `overlap`.
        flip: Axes (0, 1, 2) along which windows are also flipped; the
            probabilities of all `2 ** len(flip)` combinations are averaged.
        online: Whether to label planes as soon as no later window touches
            them. Memory then holds the probabilities of as many planes as a
            window has instead of all planes; labels are the same.
        progress: Whether to show a progress bar.

    Returns:
        Uint8 labels of shape `(depth, height, width)`.

    Raises:
        ValueError: If an argument is not as stated, or the network does not
            answer with finite logits for every voxel of the window.

    Examples:
        >>> network = keras.Sequential([keras.layers.Conv3D(3, 1)])
        >>> image = np.ones((9, 3, 5, 1))
        >>> predict_volume(network, image, patch_shape=(4, 4, 4)).shape
        (9, 3, 5)

    Reference:

    - [Isensee et al., 2021](https://doi.org/10.1038/s41592-020-01008-z)
    """
    extents, inside, slabs = _summed(
        model,
        image,
        Windows(
            tuple(patch_shape),
            batch_size=batch_size,
            weighting=weighting,
            flip=tuple(flip),
        ),
        {"overlap": overlap, "stride": stride},
        online,
        progress,
    )
    labels = np.empty(extents, np.uint8)
    for first, slab in slabs:
        # Sums need no division by the weights of a voxel: they are the same
        # for all classes. Planes go one by one: an arg-max needs 8 bytes per
        # voxel.
        for index, plane in enumerate(slab, first):
            labels[index] = np.argmax(plane, axis=-1)
    return labels[inside]


def predict_probabilities(
    model: keras.Model | Sequence[keras.Model],
    image: np.ndarray,
    *,
    patch_shape: Sequence[int],
    overlap: float = 0.5,
    batch_size: int = 1,
    weighting: str = "constant",
    stride: int | Sequence[int] | None = None,
    flip: Sequence[int] = (),
    online: bool = False,
    progress: bool = False,
) -> np.ndarray:
    """Returns class probabilities of a volume, see `predict_volume`.

    Args:
        model: See `predict_volume`.
        image, patch_shape, overlap, batch_size: See `predict_volume`.
        weighting, stride, flip, progress: See `predict_volume`.
        online: See `predict_volume`. It saves no memory here, because the
            result holds all classes of all voxels.

    Returns:
        Float32 array of shape `(depth, height, width, classes)`; the classes
        of a voxel sum to 1.

    Raises:
        ValueError: See `predict_volume`.

    Examples:
        >>> network = keras.Sequential([keras.layers.Conv3D(3, 1)])
        >>> image = np.ones((9, 3, 5, 1))
        >>> predict_probabilities(network, image, patch_shape=(4, 4, 4)).shape
        (9, 3, 5, 3)
    """
    extents, inside, slabs = _summed(
        model,
        image,
        Windows(
            tuple(patch_shape),
            batch_size=batch_size,
            weighting=weighting,
            flip=tuple(flip),
        ),
        {"overlap": overlap, "stride": stride},
        online,
        progress,
    )
    result: Any = None
    for first, slab in slabs:
        classes = slab.shape[-1]
        if result is None:
            whole = len(slab) == extents[0]
            result = slab if whole else np.empty((*extents, classes), "float32")
        ones = np.ones((classes, 1), np.float32)
        for index, plane in enumerate(slab, first):
            # Each window's probabilities sum to 1, so the sum over classes is
            # the sum of the weights. A product is several times faster.
            np.divide(plane, plane @ ones, out=result[index])
    return result[inside]


def _summed(
    model: Any,
    image: np.ndarray,
    windows: Windows,
    spread: dict[str, Any],
    online: bool,
    progress: bool,
) -> tuple[tuple[int, ...], tuple[slice, ...], Iterator]:
    """Returns extents, the place of the image in them, and summed slabs."""
    _check_image(image)
    networks = list(model) if isinstance(model, list | tuple) else [model]
    expect(
        "model", model, networks, "to be a network or a list of at least one"
    )
    volume, inside = windows.fill(image)
    extents = volume.shape[:3]
    starts = windows.starts(extents, **spread)
    answers = _answers(networks, volume, windows, starts, progress)
    return extents, inside, summed_slabs(answers, extents, online=online)


def _check_image(image: np.ndarray) -> None:
    require(
        image.ndim == 4 and 0 not in image.shape,
        "`image` is expected to be of shape (depth, height, width, "
        f"channels). Received: image.shape={image.shape}",
    )
    require(
        bool(np.isfinite(image).all()),
        "`image` is expected to be finite. Received: NaN or infinity in it",
    )


def _answers(
    networks: list[Any],
    volume: np.ndarray,
    windows: Windows,
    starts: np.ndarray,
    progress: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the first voxel of every window and its weighted classes."""
    run = window_pass(networks, volume, windows=windows)
    bar: Callable[[int], Any] | None = None
    if progress:
        bar = keras.utils.Progbar(len(starts), unit_name="window").update
    for first in range(0, len(starts), windows.batch_size):
        batch = starts[first : first + windows.batch_size]
        # The last window fills a batch up.
        full = np.resize(batch[-1], (windows.batch_size, 3))
        full[: len(batch)] = batch
        yield from zip(batch, run(full), strict=False)
        if bar is not None:
            bar(first + len(batch))
