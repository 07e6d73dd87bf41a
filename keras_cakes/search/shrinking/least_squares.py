"""Fits the weights of a layer on the taps of sub-kernels, by least squares.

With the second moments `H` of a layer's columns, the best weights of an
output on the columns `S` are `inv(H[S, S]) @ H[S] @ w`, and the mean square
that they leave is the rest of `w @ H @ w`. It is the algebra of Optimal Brain
Surgeon (Hassibi and Stork, 1993) and of GPTQ (Frantar et al., 2023), for all
taps outside a sub-kernel at once.
"""

from collections.abc import Iterable

import numpy as np

from keras_cakes.search.shrinking.affine import Affine

Array = np.ndarray
# Systems up to this size are solved in double precision.
_MOST_DOUBLE = 4096
# A smaller share of a variance is rounding.
_CONSTANT = 1e-6


class Moments:
    """Adds up second moments of columns and targets over positions.

    Args:
        columns: The number of columns.
        outputs: The number of targets of each position.
    """

    def __init__(self, columns: int, outputs: int):
        self.columns = np.zeros((columns, columns), "float32")
        self.products = np.zeros((columns, outputs), "float32")
        self.squares = np.zeros(outputs)
        self.column_means = np.zeros(columns)
        self.target_means = np.zeros(outputs)
        self.is_constant = False

    def add(self, columns: Array, targets: Array, count: int) -> None:
        """Adds positions to means over `count` positions in all."""
        # A product with its own transpose takes half the time.
        squares = columns.T @ columns
        squares /= count
        self.columns += squares
        self.products += columns.T @ targets / count
        self.squares += np.square(targets).sum(axis=0, dtype="float64") / count
        self.column_means += columns.sum(axis=0, dtype="float64") / count
        self.target_means += targets.sum(axis=0, dtype="float64") / count

    def centre(self) -> None:
        """Takes the means away: a bias or a normalization makes up for them."""
        diagonal = np.einsum("ii->i", self.columns)
        before = float(diagonal.mean())
        means = self.column_means.astype("float32")
        self.columns -= np.outer(means, means)
        self.products -= np.outer(means, self.target_means.astype("float32"))
        self.squares -= np.square(self.target_means)
        self.is_constant = float(diagonal.mean()) <= _CONSTANT * before

    def add_ridge(self, share: float, towards: Array) -> None:
        """Adds a share of the mean second moment to each column's own.

        Columns that never vary keep the weights they are drawn to.

        Args:
            share: The share.
            towards: Weights that a fit is drawn to, `(columns, outputs)`.
        """
        diagonal = np.einsum("ii->i", self.columns)
        mean = float(diagonal.mean())
        self.is_constant = self.is_constant or mean <= 0
        if self.is_constant:
            self.columns[:], self.products[:] = 0, 0
        ridge = 1.0 if self.is_constant else share * mean
        diagonal += ridge
        self.products += ridge * towards
        self.squares += ridge * np.square(towards).sum(axis=0)

    def fit(self, rows: Array, outputs: Array) -> Array:
        """Returns the best weights of outputs on some of the columns."""
        kind = "float64" if len(rows) <= _MOST_DOUBLE else "float32"
        system = self.columns[np.ix_(rows, rows)].astype(kind, copy=False)
        right = self.products[np.ix_(rows, outputs)].astype(kind)
        return _solve(system, right)

    def errors(self, rows: Array) -> Array:
        """Returns the mean square that the best weights on columns leave."""
        if self.is_constant:
            return np.zeros(len(self.squares))
        weights = self.fit(rows, np.arange(len(self.squares)))
        kept = np.einsum(
            "ro,ro->o", weights, self.products[rows], dtype="float64"
        )
        return np.maximum(self.squares - kept, 0)


def moments_of(
    layer: Affine,
    blocks: Iterable[tuple[Array, Array]],
    *,
    towards: Array,
    count: int,
    ridge: float,
    centred: bool,
) -> list[Moments]:
    """Adds up the moments of each group of channels of a layer.

    Args:
        layer: The layer.
        blocks: Pairs of columns, `(positions, taps, channels)`, and targets,
            `(positions, outputs)`, as float32.
        towards: Weights of its shape that fits are drawn to.
        count: The number of positions of all blocks.
        ridge: See `Moments.add_ridge`.
        centred: Whether means are taken away.
    """
    groups = list(layer.groups())
    width = towards.shape[-1] // len(groups)
    found = [Moments(layer.columns_of_group, width) for _ in groups]
    for columns, targets in blocks:
        for moments, (channels, outputs) in zip(found, groups, strict=True):
            own = columns[..., channels].reshape(len(columns), -1)
            moments.add(own, targets[:, outputs], count)
    for moments, (_, outputs) in zip(found, groups, strict=True):
        if centred:
            moments.centre()
        moments.add_ridge(ridge, towards[..., outputs].reshape(-1, width))
    return found


def solving_bytes(columns: int) -> int:
    """Returns the bytes of moments and of a system of all columns."""
    value = 8 if columns <= _MOST_DOUBLE else 4
    # Moments, then a system and its factor.
    return columns**2 * (4 + 2 * value)


def _solve(system: Array, right: Array) -> Array:
    """Solves a symmetric positive system."""
    import scipy.linalg

    mean = float(np.trace(system)) / len(system)
    lift = 0.0
    while True:
        try:
            factor = scipy.linalg.cho_factor(system)
        except scipy.linalg.LinAlgError:
            # Rounding made it indefinite.
            system[np.diag_indices(len(system))] += max(lift, 1e-6 * mean)
            lift += max(lift, 1e-6 * mean)
            continue
        solution: Array = scipy.linalg.cho_solve(factor, right)
        return solution.astype("float32")
