"""Fits the weights of a layer on the taps of sub-kernels, by least squares.

With the second moments `H` of a layer's columns, the best weights of an
output on the columns `S` are `inv(H[S, S]) @ H[S] @ w`, and the mean square
that they leave is the rest of `w @ H @ w`. It is the algebra of Optimal Brain
Surgeon (Hassibi and Stork, 1993) and of GPTQ (Frantar et al., 2023), for all
taps outside a sub-kernel at once.

Where a layer has fewer positions than columns, the same weights come from the
products of positions with each other, which are fewer.
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

    @property
    def width(self) -> int:
        """Returns the number of columns."""
        return len(self.columns)

    def add(self, columns: Array, targets: Array, weights: Array) -> None:
        """Adds positions; the weights of all positions add up to 1."""
        self.column_means += weights @ columns
        self.target_means += weights @ targets
        columns, targets = _scaled(columns, weights), _scaled(targets, weights)
        # A product with its own transpose takes half the time.
        self.columns += columns.T @ columns
        self.products += columns.T @ targets
        self.squares += np.square(targets).sum(axis=0, dtype="float64")

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
        kind = _precision(len(rows))
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


class FewPositions:
    """Holds columns and targets themselves, with the methods of `Moments`.

    For weights `w`, drawn to `w0` with a strength `r`, the best change is
    `X[:, S].T @ inv(X[:, S] @ X[:, S].T + r) @ (y - X[:, S] @ w0[S])`.

    Args:
        columns: The number of columns.
        outputs: The number of targets of each position.
    """

    def __init__(self, columns: int, outputs: int):
        self.width = columns
        self.column_means = np.zeros(columns)
        self.target_means = np.zeros(outputs)
        self.is_constant = False
        self._parts: list[tuple[Array, Array, Array]] = []

    def add(self, columns: Array, targets: Array, weights: Array) -> None:
        """Adds positions; the weights of all positions add up to 1."""
        self.column_means += weights @ columns
        self.target_means += weights @ targets
        self._parts.append((columns, targets, weights))

    def centre(self) -> None:
        """Takes the means away: a bias or a normalization makes up for them."""
        before = self._power()
        columns = self.column_means.astype("float32")
        targets = self.target_means.astype("float32")
        self._parts = [
            (read - columns, made - targets, weights)
            for read, made, weights in self._parts
        ]
        self.is_constant = self._power() <= _CONSTANT * before

    def add_ridge(self, share: float, towards: Array) -> None:
        """Draws fits to weights; see `Moments.add_ridge`."""
        mean = self._power() / self.width
        self.is_constant = self.is_constant or mean <= 0
        self.ridge = 1.0 if self.is_constant else share * mean
        self.towards = towards
        self.columns, self.targets = (
            np.concatenate([_scaled(part[i], part[2]) for part in self._parts])
            for i in (0, 1)
        )
        if self.is_constant:
            self.columns[:], self.targets[:] = 0, 0
        self._parts.clear()

    def fit(self, rows: Array, outputs: Array) -> Array:
        """Returns the best weights of outputs on some of the columns."""
        columns = self.columns[:, rows]
        change, _ = self._change(columns, rows, outputs)
        return self.towards[np.ix_(rows, outputs)] + columns.T @ change

    def errors(self, rows: Array) -> Array:
        """Returns the mean square that the best weights on columns leave."""
        outputs = np.arange(self.targets.shape[1])
        if self.is_constant:
            return np.zeros(len(outputs))
        change, rest = self._change(self.columns[:, rows], rows, outputs)
        left = np.einsum("po,po->o", rest, change, dtype="float64")
        dropped = np.square(np.delete(self.towards, rows, axis=0)).sum(axis=0)
        return np.maximum(self.ridge * (left + dropped), 0)

    def _change(
        self, columns: Array, rows: Array, outputs: Array
    ) -> tuple[Array, Array]:
        """Solves for the positions; returns also what is to be explained."""
        towards = self.towards[np.ix_(rows, outputs)]
        rest = self.targets[:, outputs] - columns @ towards
        kind = _precision(len(columns))
        system = (columns @ columns.T).astype(kind, copy=False)
        system[np.diag_indices(len(system))] += self.ridge
        return _solve(system, rest.astype(kind)), rest

    def _power(self) -> float:
        """Returns the sum of the second moments of all columns."""
        return sum(
            float(weights @ np.square(read).sum(axis=1, dtype="float64"))
            for read, _, weights in self._parts
        )


def moments_of(
    layer: Affine,
    blocks: Iterable[tuple[Array, Array, Array]],
    *,
    towards: Array,
    count: int,
    ridge: float,
    centred: bool,
) -> list[Moments | FewPositions]:
    """Adds up the moments of each group of channels of a layer.

    Args:
        layer: The layer.
        blocks: Columns, `(positions, taps, channels)`, targets, `(positions,
            outputs)`, and weights, `(positions,)`, as float32.
        towards: Weights of its shape that fits are drawn to.
        count: The number of positions of all blocks.
        ridge: See `Moments.add_ridge`.
        centred: Whether means are taken away.
    """
    groups = list(layer.groups())
    width = towards.shape[-1] // len(groups)
    columns_of_group = layer.columns_of_group
    kind = FewPositions if count < columns_of_group else Moments
    found = [kind(columns_of_group, width) for _ in groups]
    for columns, targets, weights in blocks:
        for moments, (channels, outputs) in zip(found, groups, strict=True):
            own = columns[..., channels].reshape(len(columns), -1)
            moments.add(own, targets[:, outputs], weights)
    for moments, (_, outputs) in zip(found, groups, strict=True):
        if centred:
            moments.centre()
        moments.add_ridge(ridge, towards[..., outputs].reshape(-1, width))
    return found


def solving_bytes(columns: int, count: int) -> int:
    """Returns the bytes of what `moments_of` holds, and of a system.

    Args:
        columns: The number of columns.
        count: The number of positions.
    """
    size = min(columns, count)
    # A system and its factor.
    system = 2 * size**2 * (8 if _precision(size) == "float64" else 4)
    if count < columns:
        # The positions, centred, and those of a sub-kernel.
        return 12 * count * columns + system
    return 4 * columns**2 + system


def _precision(size: int) -> str:
    return "float64" if size <= _MOST_DOUBLE else "float32"


def _scaled(values: Array, weights: Array) -> Array:
    """Multiplies positions by the roots of their weights."""
    return values * np.sqrt(weights)[:, None]


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
