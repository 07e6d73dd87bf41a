"""Lists the searches that the study compares."""

import dataclasses

SCORES = ("path_weights", "importance", "sampled", "energy")


@dataclasses.dataclass(frozen=True)
class Method:
    """Describes a way to find configurations.

    Args:
        name: Its name in tables.
        score: One of `SCORES`.
        rule: See `derive`.
        weights: See `to_supernet`.
        priority: See `to_supernet`.
        draw: See `to_supernet`.
        lasso: See `to_supernet`.
        holdout: With 4, every fourth training case is kept from the search
            and used to score paths; 0 keeps none.
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
        """Names the supernet, which several methods may share."""
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
