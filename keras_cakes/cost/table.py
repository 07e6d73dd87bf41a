"""Holds counted costs layer by layer, adds them up, prints a table."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """Holds the cost of one layer.

    Args:
        name: Name of the layer; inside a nested model or layer, the name of
            that one and a slash come first.
        kind: Class of the layer.
        params: Weights, with the scale and offset of normalizations and
            without their moving statistics.
        macs: Multiply-adds for one sample; convolutions, dense layers and
            products of attention.
        elementwise: Operations that touch each element once or twice:
            normalization, activation, pooling, resizing, adding.
        is_known: False if there is no rule for this kind of layer; `macs`
            and `elementwise` are 0 then and mean nothing.
    """

    name: str
    kind: str
    params: int
    macs: int
    elementwise: int = 0
    is_known: bool = True


@dataclasses.dataclass(frozen=True)
class Cost:
    """Holds the cost of a network for one sample; prints as a table."""

    per_layer: tuple[LayerCost, ...]

    @property
    def params(self) -> int:
        """Sums the trained numbers: weights, scales and offsets."""
        return sum(row.params for row in self.per_layer)

    @property
    def macs(self) -> int:
        """Sums the multiply-adds of convolutions and dense layers (forward)."""
        return sum(row.macs for row in self.per_layer)

    @property
    def elementwise(self) -> int:
        """Sums the operations on single elements, which `macs` leaves out."""
        return sum(row.elementwise for row in self.per_layer)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names the layers that hold weights and have no rule."""
        return tuple(row.name for row in self.per_layer if not row.is_known)

    def of(self, names: Any) -> "Cost":
        """Selects the rows of the named layers."""
        chosen = set(names)
        return Cost(tuple(r for r in self.per_layer if r.name in chosen))

    def to_dict(self) -> dict[str, Any]:
        """Returns totals and rows as plain JSON values."""
        return {
            "params": self.params,
            "macs": self.macs,
            "elementwise": self.elementwise,
            "unknown": list(self.unknown),
            "per_layer": [dataclasses.asdict(row) for row in self.per_layer],
        }

    def __str__(self) -> str:
        table: list[tuple[str, ...]] = [
            ("layer", "kind", "params", "MACs", "element-wise")
        ]
        for row in self.per_layer:
            counts = (row.macs, row.elementwise)
            macs, rest = (f"{n:,}" if row.is_known else "?" for n in counts)
            table.append((row.name, row.kind, f"{row.params:,}", macs, rest))
        totals = (self.params, self.macs, self.elementwise)
        table.append(("total", "", *(f"{n:,}" for n in totals)))
        widths = [max(len(line[i]) for line in table) for i in range(5)]
        lines = [
            "  ".join(
                text.ljust(width) if column < 2 else text.rjust(width)
                for column, (text, width) in enumerate(
                    zip(line, widths, strict=True)
                )
            )
            for line in table
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
