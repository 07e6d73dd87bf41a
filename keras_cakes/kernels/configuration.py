"""Defines `Configuration`: the sub-kernels of all layers of a network."""

import importlib.resources
import json
import os
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from keras_cakes._errors import choose
from keras_cakes._errors import shortened
from keras_cakes._files import read_text
from keras_cakes._files import write_text
from keras_cakes.kernels.assignment import Assignment
from keras_cakes.kernels.sub_kernels import canonical_order

FORMAT = "keras_cakes.configuration"
VERSION = 1

_PRESETS = importlib.resources.files("keras_cakes.kernels") / "presets"
# A file of every published network is a few kilobytes.
_MOST_BYTES = 16 << 20


class Configuration(Mapping[str, Assignment]):
    """Maps the name of each replaced layer to its `Assignment`.

    It is immutable and in network order. `keras_cakes.derive` reads it from
    a search, and `keras_cakes.replace` builds a network from it.

    Args:
        layers: Mapping of layer name to anything `Assignment` accepts:
            counts, one sub-kernel per channel, or `(sub_kernel, count)` runs.

    Raises:
        ValueError: If a layer name or an assignment is not valid.

    Examples:
        >>> configuration = Configuration({"conv1": {"3x3x3": 4, "1x3x3": 12}})
        >>> configuration["conv1"].counts
        {'3x3x3': 4, '1x3x3': 12}
    """

    __slots__ = ("_layers",)

    def __init__(self, layers: Mapping[str, Any]):
        if not isinstance(layers, Mapping):
            raise ValueError(
                "`layers` is expected to map layer names to channel "
                f"assignments. Received: layers={shortened(layers)}"
            )
        self._layers: dict[str, Assignment] = {}
        for name, value in layers.items():
            if not isinstance(name, str) or not name:
                raise ValueError(
                    "A layer name is expected to be a non-empty string. "
                    f"Received: {name!r}"
                )
            try:
                self._layers[name] = (
                    value
                    if isinstance(value, Assignment)
                    else Assignment(value)
                )
            except ValueError as error:
                raise ValueError(f"Layer {name!r}: {error}") from None

    def __getitem__(self, name: str) -> Assignment:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __hash__(self) -> int:
        # Equality of mappings ignores order, so the hash has to as well.
        return hash(frozenset(self._layers.items()))

    def __repr__(self) -> str:
        return f"<Configuration of {len(self)} layers: {self.counts}>"

    @property
    def counts(self) -> dict[str, int]:
        """Returns channels per sub-kernel, summed over all layers."""
        total: dict[str, int] = {}
        for assignment in self._layers.values():
            for name, count in assignment.counts.items():
                total[name] = total.get(name, 0) + count
        return {str(k): total[str(k)] for k in canonical_order(total)}

    def to_json(self) -> str:
        """Writes one line per layer, which keeps diffs small."""
        lines = [
            f"  {json.dumps(name)}: {json.dumps(assignment.to_list())}"
            for name, assignment in self._layers.items()
        ]
        layers = "{\n" + ",\n".join(lines) + "\n }" if lines else "{}"
        return (
            f'{{\n "format": "{FORMAT}",\n "version": {VERSION},\n'
            f' "layers": {layers}\n}}\n'
        )

    @classmethod
    def from_json(cls, text: str) -> "Configuration":
        """Reads the text that `to_json` writes.

        Raises:
            ValueError: If the text is not a configuration of a known
                version; nothing in it is trusted.
        """
        try:
            document = json.loads(text, object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"A configuration is expected to be JSON. Received: {error}"
            ) from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(
                f'A configuration is expected to hold "format": "{FORMAT}". '
                f"Received: {shortened(document)}"
            )
        version = document.get("version")
        if type(version) is not int or version != VERSION:
            raise ValueError(
                f"A configuration of version {VERSION} is expected. "
                f"Received: version={shortened(version)}"
            )
        unknown = sorted(set(document) - {"format", "version", "layers"})
        if unknown:
            raise ValueError(
                "A configuration is expected to hold only 'format', 'version' "
                f"and 'layers'. Received: {shortened(unknown)}"
            )
        # The constructor refuses any value that is no mapping.
        return cls(document.get("layers"))  # type: ignore[arg-type]

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Writes the configuration as JSON, whole or not at all."""
        write_text(path, self.to_json())

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "Configuration":
        """Reads a configuration file.

        Raises:
            ValueError: If the file does not hold a configuration; the
                message names the file.
        """
        try:
            return cls.from_json(read_text(path, _MOST_BYTES))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None

    @classmethod
    def preset(cls, name: str) -> "Configuration":
        """Reads a configuration that the authors of CAKES published.

        Source and licence are in `presets/README.md`. The layers are named
        as in `keras_cakes.models.resnet50_video`.

        Args:
            name: One of `Configuration.presets()`.

        Raises:
            ValueError: If there is no such preset.

        Examples:
            >>> name = "resnet50_ssv1_1d2d3d_cost"
            >>> Configuration.preset(name).counts
            {'3x3x3': 1447, '1x3x3': 2048, '3x1x1': 281}
        """
        choose("name", name, cls.presets())
        file = _PRESETS / f"{name}.json"
        return cls.from_json(file.read_text(encoding="utf-8"))

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """Returns the names of the published configurations."""
        names = (file.name for file in _PRESETS.iterdir())
        return tuple(
            sorted(
                name.removesuffix(".json")
                for name in names
                if name.endswith(".json")
            )
        )


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses JSON objects that hold a name twice."""
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = sorted({n for n in names if names.count(n) > 1})
        raise ValueError(f"the names {shortened(repeated)} more than once")
    return document
