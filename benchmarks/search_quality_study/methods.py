"""Ways to find a configuration, by name."""

import dataclasses

SCORES = ("path_weights", "importance", "sampled", "energy")


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to find configurations.

    Args:
        name: What it is called in tables.
        score: One of `SCORES`.
        rule: See `derive`.
        weights: See `to_supernet`.
        priority: See `to_supernet`.
        draw: See `to_supernet`.
        lasso: See `to_supernet`.
        holdout: If not zero, every so many-th training case is kept from the
            search and used to score paths.
    """

    name: str
    score: str = "path_weights"
    rule: str = "channel"
    weights: str = "separate"
    priority: str = "performance"
    draw: str = "balanced"
    lasso: float = 1e-4
    holdout: int = 0

    @property
    def supernet(self) -> str:
        """Name of the supernet, which several methods may share."""
        if self.score == "energy":
            return "energy"
        parts = [self.priority, self.weights]
        parts.append(
            self.draw if self.priority == "performance" else f"{self.lasso:g}"
        )
        if self.holdout:
            parts.append(f"holdout{self.holdout}")
        return "_".join(parts)


METHODS = (
    Method("path weights"),
    Method("lasso", priority="cost", lasso=6e-3),
    Method("shared path weights", weights="shared"),
    Method("importance", "importance", weights="shared"),
    Method("sampled paths", "sampled", "layer", weights="shared"),
    Method("held-out paths", "sampled", "layer", weights="shared", holdout=4),
    Method("kernel energy", "energy"),
)
