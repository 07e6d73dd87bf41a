"""Scores the distance between surfaces in millimetres, with SciPy.

Of the packages on PyPI, surface-distance, surface-distance-based-measures,
seg-metrics and medpy have had no release since 2024 or longer; monai and
panoptica, which are maintained, bring many dependencies along.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from keras_cakes._errors import expect
from keras_cakes._errors import number
from keras_cakes.evaluation.checks import check_labels

# File headers hold spacings in float32, and a distance that equals the
# tolerance counts as within it. The slack is far below the size of a voxel.
_SLACK_MM = 1e-4


@dataclasses.dataclass(frozen=True)
class SurfaceScores:
    """Holds the scores of the surfaces of each foreground class.

    Args:
        hd95: Float array `(classes - 1,)`, in millimetres.
        nsd: Float array `(classes - 1,)`, from 0 to 1.
    """

    hd95: np.ndarray
    nsd: np.ndarray


def surface_scores(
    prediction: np.ndarray,
    label: np.ndarray,
    *,
    classes: int,
    spacing: Sequence[float],
    tolerance: float = 1.0,
) -> SurfaceScores:
    """Computes HD95 and NSD of each foreground class.

    A voxel of a class lies on its surface if one of its neighbours across a
    face is of another class or outside of the volume. Both scores use the
    distance from each voxel of one surface to the nearest of the other.

    HD95 is the 95th percentile of these distances, the larger one of the two
    directions. NSD, the normalized surface Dice, is the share of the voxels
    of both surfaces that lie within the tolerance of the other surface.

    If neither array holds a class, its HD95 is 0 and its NSD is 1. If only
    one array does, HD95 is the diagonal of the volume and NSD is 0.

    Args:
        prediction: Integer labels from 0 to `classes - 1`, such as
            `(depth, height, width)`.
        label: Integer labels of the same shape.
        classes: Number of classes, background included.
        spacing: Millimetres from one voxel to the next, along each axis.
        tolerance: Millimetres by which surfaces may differ for NSD.

    Raises:
        ValueError: If shapes differ, a label is out of range, or a length
            is not as stated.

    Examples:
        >>> label = np.zeros((8, 8, 8), int)
        >>> label[2:5, 2:5, 2:5] = 1
        >>> scores = surface_scores(
        ...     np.roll(label, 1, 0), label, classes=2, spacing=(2, 1, 1)
        ... )
        >>> scores.hd95, scores.nsd.round(2)
        (array([2.]), array([0.65]))

    Reference:

    - [Maier-Hein et al., 2024](https://doi.org/10.1038/s41592-023-02151-z)
    - [Nikolov et al., 2021](https://doi.org/10.2196/26151)
    """
    check_labels(prediction, label, classes=classes)
    expect(
        "spacing",
        tuple(spacing),
        len(spacing) == label.ndim
        and all(math.isfinite(mm) and mm > 0 for mm in spacing),
        f"to be {label.ndim} lengths in mm above 0",
    )
    number("tolerance", tolerance, least=0)
    diagonal = float(np.linalg.norm(np.multiply(label.shape, spacing)))
    rows = []
    for value in range(1, classes):
        predicted, true = prediction == value, label == value
        present = bool(predicted.any()), bool(true.any())
        if not any(present):
            rows.append((0.0, 1.0))
        elif not all(present):
            rows.append((diagonal, 0.0))
        else:
            there, back = _distances(predicted, true, spacing)
            far = max(np.percentile(there, 95), np.percentile(back, 95))
            near = np.concatenate([there, back]) <= tolerance + _SLACK_MM
            rows.append((float(far), float(near.mean())))
    return SurfaceScores(*np.array(rows, float).reshape(-1, 2).T)


def hd95(
    prediction: np.ndarray,
    label: np.ndarray,
    *,
    classes: int,
    spacing: Sequence[float],
) -> np.ndarray:
    """Computes the 95 % Hausdorff distance of each foreground class, in mm.

    Args:
        prediction, label, classes, spacing: See `surface_scores`.

    Returns:
        Float array of shape `(classes - 1,)`.

    Raises:
        ValueError: See `surface_scores`.
    """
    return surface_scores(
        prediction, label, classes=classes, spacing=spacing
    ).hd95


def nsd(
    prediction: np.ndarray,
    label: np.ndarray,
    *,
    classes: int,
    spacing: Sequence[float],
    tolerance: float = 1.0,
) -> np.ndarray:
    """Computes the normalized surface Dice of each foreground class, 0 to 1.

    Args:
        prediction, label, classes, spacing: See `surface_scores`.
        tolerance: Millimetres by which surfaces may differ.

    Returns:
        Float array of shape `(classes - 1,)`.

    Raises:
        ValueError: See `surface_scores`.
    """
    return surface_scores(
        prediction,
        label,
        classes=classes,
        spacing=spacing,
        tolerance=tolerance,
    ).nsd


def _distances(
    first: np.ndarray, second: np.ndarray, spacing: Sequence[float]
) -> list[np.ndarray]:
    """Returns the distances from each surface to the other, both ways."""
    from scipy.ndimage import binary_erosion
    from scipy.ndimage import distance_transform_edt

    # The box that holds both classes is enough.
    box = tuple(
        slice(int(places.min()), int(places.max()) + 1)
        for places in np.nonzero(first | second)
    )
    surfaces = [
        mask & ~binary_erosion(mask) for mask in (first[box], second[box])
    ]
    return [
        distance_transform_edt(~other, sampling=spacing)[own]
        for own, other in (surfaces, surfaces[::-1])
    ]
