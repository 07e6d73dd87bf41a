"""Defines `SearchSpecification`: the choices of a search."""

import dataclasses
import warnings
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import number
from keras_cakes.kernels.sub_kernels import check_kernels
from keras_cakes.kernels.sub_kernels import kernel_set as resolve_kernel_set
from keras_cakes.kernels.sub_kernels import relative_costs
from keras_cakes.layers.cakes_search_conv3d import AGGREGATIONS
from keras_cakes.layers.cakes_search_conv3d import DRAWS
from keras_cakes.layers.cakes_search_conv3d import PRIORITIES
from keras_cakes.layers.candidate_conv3d import CANDIDATE_KERNELS
from keras_cakes.layers.path_normalization import NORMALIZATIONS
from keras_cakes.layers.regularizers import CostLasso

# "auto" depends on the priority, and on the layers that follow.
CHOICES_OF_KERNELS = ("auto", *CANDIDATE_KERNELS)
CHOICES_OF_AGGREGATION = ("auto", *AGGREGATIONS)
_CHOICES: dict[str, tuple[str | None, ...]] = {
    "priority": PRIORITIES,
    "aggregation": CHOICES_OF_AGGREGATION,
    "draw": DRAWS,
    "normalization": NORMALIZATIONS,
    "candidate_kernels": CHOICES_OF_KERNELS,
}


@dataclasses.dataclass(frozen=True)
class SearchSpecification:
    """Holds the choices of a search.

    Args:
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        priority: `"performance"` (one random path at a time) or `"cost"`
            (all candidates, with a lasso on the path weights).
        lasso: Float, strength of the lasso (the paper's lambda); used by
            `priority="cost"`.
        cost: The weights of the lasso: `"params"` or `"macs"` (equal
            within a layer, since candidates share the output size), a
            mapping of sub-kernel to a positive cost of your own, or a
            `keras_cakes.cost.LatencyTable` of the layers that are searched.
        aggregation: The output of a cost-priority layer.
            `"concat"`: side by side, aggregated by the convolution that
            follows; a layer whose consumer cannot widen (an addition, an
            output) raises an error. `"sum"`: added per channel (Eq. 5).
            `"auto"`: concatenated where the consumer can widen.
        draw: `"independent"` or `"balanced"` random paths; see `Supernet`.
        normalization: Normalization to put behind a convolution that has
            none of its own: `"batch"`, `"instance"` or `None`.
        candidate_kernels: `"separate"` kernels, as in the paper, or crops of
            one `"shared"` kernel; see `CakesSearchConv3D`. `"auto"`: shared
            for `priority="performance"`, where a draw trains one candidate
            of a channel, and separate for `priority="cost"`, where all are
            trained.
        weights: The old name of `candidate_kernels`, for one release.
    """

    kernel_set: Any = "1d2d3d"
    priority: str = "performance"
    _: dataclasses.KW_ONLY
    lasso: float = 1e-4
    cost: Any = "params"
    aggregation: str = "auto"
    draw: str = "independent"
    normalization: str | None = "batch"
    candidate_kernels: str = "auto"
    weights: dataclasses.InitVar[str | None] = None

    def __post_init__(self, weights: str | None):
        kernels = renamed_weights(self.candidate_kernels, weights, level=4)
        object.__setattr__(self, "candidate_kernels", kernels)
        check_kernels("kernel_set", self.kernel_set)
        for name, allowed in _CHOICES.items():
            choose(name, getattr(self, name), allowed)
        number("lasso", self.lasso, least=0)
        if isinstance(self.cost, Mapping):
            for kernel, cost in self.cost.items():
                number(f"cost[{kernel!r}]", cost, above=0)
        else:
            expect(
                "cost",
                self.cost,
                self.cost in ("params", "macs")
                or hasattr(self.cost, "channel_ms"),
                "to be 'params', 'macs', a mapping of sub-kernel to cost or "
                "a `LatencyTable`; `to_supernet` measures one for 'latency'",
            )

    @property
    def chosen_kernels(self) -> str:
        """Returns `"separate"` or `"shared"`, with `"auto"` resolved."""
        if self.candidate_kernels != "auto":
            return self.candidate_kernels
        return "shared" if self.priority == "performance" else "separate"

    def lasso_of(
        self, kernel_size: Sequence[int], name: str = ""
    ) -> CostLasso | None:
        """Returns the lasso on the path weights of a layer, if it has one."""
        if self.priority != "cost":
            return None
        kernels = resolve_kernel_set(self.kernel_set, kernel_size)
        taps = [kernel.taps for kernel in kernels]
        if hasattr(self.cost, "channel_ms"):
            # Orientations of one kernel differ a little in time.
            costs = self.cost.channel_ms(name)
            return CostLasso(relative_costs(costs, taps), self.lasso)
        if isinstance(self.cost, Mapping):
            missing = [str(k) for k in kernels if str(k) not in self.cost]
            if missing:
                raise ValueError(
                    "`cost` is expected to give each sub-kernel a positive "
                    f"number. Received: cost={self.cost}, without {missing}"
                )
            costs = [float(self.cost[str(kernel)]) for kernel in kernels]
        else:
            costs = [float(count) for count in taps]
        return CostLasso(relative_costs(costs), self.lasso)


def renamed_weights(
    candidate_kernels: str, weights: str | None, *, level: int = 3
) -> str:
    """Returns `candidate_kernels`, or the value of its old name `weights`.

    Args:
        candidate_kernels: The value of the new name.
        weights: The value of the old name; `None` if it is not used.
        level: Which caller the warning is about; see `warnings.warn`.
    """
    if weights is None:
        return candidate_kernels
    warnings.warn(
        "`weights` is `candidate_kernels` now; the old name goes with the "
        "next release.",
        DeprecationWarning,
        stacklevel=level,
    )
    return weights
