"""Defines the settings that every run has, and reads them from its folder."""

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import ClassVar
from typing import TypeVar

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.kernels.sub_kernels import kernel_set
from keras_cakes.layers.cakes_search_conv3d import DRAWS
from keras_cakes.layers.cakes_search_conv3d import PRIORITIES
from keras_cakes.models.rewriting.specification import CHOICES_OF_AGGREGATION
from keras_cakes.models.rewriting.specification import CHOICES_OF_KERNELS
from keras_cakes.search.deriving.free import DERIVE_RULES

_CHOICES: dict[str, tuple[str, ...]] = {
    "draw": DRAWS,
    "aggregation": CHOICES_OF_AGGREGATION,
    "rule": DERIVE_RULES,
    "score": ("path_weights", "sampled"),
    "candidate_kernels": CHOICES_OF_KERNELS,
}
# Variants of every run whose kernels a search chooses, or chance.
SEARCHED = (*PRIORITIES, "random")
# Names of earlier versions, with those of today.
RENAMED = {"weights": "candidate_kernels"}
_PREFIX = "synthetic:"


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Holds the settings that the result of any run depends on.

    Args:
        data: File or folder of the data, or one of the names in `synthetic`,
            with or without `synthetic:` before it. A folder of such a name is
            `./phantom`.
        batch_size: Samples per step.
        width: Channels of the first level or stage of the network.
        learning_rate: Learning rate at the start, or after the warm-up.
        kernel_set: Name of the kernel set that is searched.
        draw: `"independent"` or `"balanced"` random paths.
        lasso: Strength of the cost-priority lasso. Over 600 steps at 0.1,
            7e-4 shrinks as much as the paper's 1e-4 over 40,000 at 0.01.
        aggregation: `"auto"`, `"concat"` or `"sum"`; see `to_supernet`.
        rule: `"channel"` or `"layer"`; see `derive`.
        score: Channels are chosen by `"path_weights"`, or, in the
            performance-priority search, by the losses of `"sampled"` paths;
            see `sample_paths`.
        channel_multiple: Channels of each sub-kernel are rounded to a
            multiple of this; see `derive`.
        candidate_kernels: `"separate"`, `"shared"` or `"auto"`; see
            `to_supernet`.
        budget: Share of the multiply-adds of the 3D network that a searched
            network may have; 1 for any number.
        seed: Start of all random numbers.
        variants: The networks to compare.

    Raises:
        ValueError: If a setting is not as stated.
    """

    data: str = "phantom"
    _: dataclasses.KW_ONLY
    batch_size: int = 2
    width: int = 16
    learning_rate: float = 0.1
    kernel_set: str = "1d2d3d"
    draw: str = "independent"
    lasso: float = 7e-4
    aggregation: str = "auto"
    rule: str = "channel"
    score: str = "path_weights"
    channel_multiple: int = 1
    candidate_kernels: str = "auto"
    budget: float = 1.0
    seed: int = 0
    variants: tuple[str, ...] = PRIORITIES

    # Argument `convolution` of the network, for variants without a search.
    convolutions: ClassVar[Mapping[str, Any]] = {}
    # Names that `data` may have for data that are made on the spot.
    synthetic: ClassVar[tuple[str, ...]] = ("phantom",)
    # Settings that name the place of the data; data may move.
    places: ClassVar[tuple[str, ...]] = ("data",)

    def __post_init__(self):
        for name, kind in self.annotations().items():
            _check_type(name, getattr(self, name), kind)
        self.choose(**_CHOICES)
        kernel_set(self.kernel_set)
        self.require_positive(("batch_size", "width", "channel_multiple"))
        number("learning_rate", self.learning_rate, above=0)
        known = self.known_variants()
        self.expect(
            "variants",
            self.variants and set(self.variants) <= set(known),
            f"to name some of {known}",
        )
        number("lasso", self.lasso, least=0)
        number("budget", self.budget, above=0, most=1)
        # Seeds of data and path draws are signed integers of 32 bits.
        whole("seed", self.seed, least=0, most=2**31 - 2)
        self._name_data()

    @classmethod
    def known_variants(cls) -> tuple[str, ...]:
        """Names the networks that such a run can compare."""
        return (*cls.convolutions, *SEARCHED)

    @classmethod
    def annotations(cls) -> dict[str, Any]:
        """Returns the annotation of each setting."""
        hints = typing.get_type_hints(cls)
        return {f.name: hints[f.name] for f in dataclasses.fields(cls)}

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """Reads the description of each setting from the docstrings."""
        described: dict[str, str] = {}
        for kind in reversed(cls.__mro__):
            if issubclass(kind, RunSettings):
                described.update(_arguments(inspect.getdoc(kind) or ""))
        return described

    @property
    def is_synthetic(self) -> bool:
        """Tells whether the data are made on the spot."""
        return self.data in self.synthetic

    def expect(self, name: str, holds: Any, expected: str) -> None:
        """Refuses a setting that is not as expected."""
        expect(name, getattr(self, name), holds, expected)

    def choose(self, **allowed: tuple[Any, ...]) -> None:
        """Refuses settings that are not among those allowed."""
        for name, values in allowed.items():
            choose(name, getattr(self, name), values)

    def require_positive(self, names: Iterable[str]) -> None:
        """Refuses settings that are neither `None` nor integers above 0."""
        for name in names:
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), least=1)

    def require_sizes(self, **counts: int) -> None:
        """Refuses settings that are not tuples of `count` positive integers."""
        for name, count in counts.items():
            sizes = getattr(self, name)
            self.expect(
                name,
                len(sizes) == count
                and all(isinstance(s, int) and s > 0 for s in sizes),
                f"to be {count} positive sizes",
            )

    def resolve_paths(self, names: Iterable[str]) -> None:
        """Makes paths absolute, so that a folder has one name in every run."""
        for name in names:
            value = getattr(self, name)
            if value:
                object.__setattr__(self, name, str(Path(value).resolve()))

    def _name_data(self) -> None:
        """Resolves a path; synthetic data keep their name, without prefix."""
        if self.data.startswith(_PREFIX):
            name = self.data.removeprefix(_PREFIX)
            self.expect(
                "data",
                name in self.synthetic,
                f"to name one of {self.synthetic} after '{_PREFIX}'",
            )
            object.__setattr__(self, "data", name)
        elif not self.is_synthetic:
            self.resolve_paths(("data",))


Settings = TypeVar("Settings", bound=RunSettings)


def read_settings(kind: type[Settings], file: Path) -> Settings:
    """Reads the settings of a run folder.

    Settings of earlier versions are read under their names of today.

    Args:
        kind: Class of the settings.
        file: The JSON file.

    Raises:
        ValueError: If the file does not hold settings; it names the file.
    """
    try:
        values = with_new_names(json.loads(file.read_text(encoding="utf-8")))
        names = {field.name for field in dataclasses.fields(kind)}
        if set(values) - names:
            raise ValueError(f"unknown settings {sorted(set(values) - names)}")
        return kind(**{name: _tuples(value) for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{file}: the settings of a run are expected. Received: {error}"
        ) from None


def with_new_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings of any version under their names of today."""
    return {RENAMED.get(k, k): value for k, value in dict(settings).items()}


def kinds_of(annotation: Any) -> tuple[type, ...]:
    """Returns the types that an annotation joins by `|`.

    Examples:
        >>> kinds_of(int | None)
        (<class 'int'>, <class 'NoneType'>)
        >>> kinds_of(tuple[int, ...])
        (<class 'tuple'>,)
    """
    is_union = isinstance(annotation, types.UnionType)
    parts = typing.get_args(annotation) if is_union else (annotation,)
    return tuple(typing.get_origin(part) or part for part in parts)


def _check_type(name: str, value: Any, annotation: Any) -> None:
    """Refuses a value of another type; a float may be an integer."""
    allowed = kinds_of(annotation)
    kind = allowed[0]
    if not isinstance(value, (*allowed, int) if kind is float else allowed) or (
        isinstance(value, bool) != (kind is bool)
    ):
        raise ValueError(
            f"`{name}` is expected to be of type {kind.__name__}. "
            f"Received: {name}={value!r}"
        )


def _arguments(text: str) -> dict[str, str]:
    """Reads the section `Args` of a docstring."""
    described: dict[str, str] = {}
    name = ""
    section = text.partition("Args:\n")[2].partition("\n\n")[0]
    for line in section.splitlines():
        if line.startswith(" " * 8):
            described[name] += f" {line.strip()}"
        else:
            name, _, words = line.strip().partition(": ")
            described[name] = words
    return described


def _tuples(value: Any) -> Any:
    """Turns lists of JSON into tuples, at every depth."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value
