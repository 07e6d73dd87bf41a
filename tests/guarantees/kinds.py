"""Says which values of an argument have to be refused."""

import dataclasses
import math
from typing import Any

import numpy as np

_NOT_NUMBERS = (math.nan, math.inf, -math.inf, True, "1")


@dataclasses.dataclass(frozen=True)
class Checked:
    """An argument that is checked.

    Args:
        bad: Values that have to be refused.
        says: How the sentence that refuses them begins, where the argument
            has another name in it; `{name}` stands for the argument's.
    """

    bad: tuple[Any, ...]
    says: str = "`{name}` is expected"


@dataclasses.dataclass(frozen=True)
class Free:
    """An argument that any value of its type fits.

    Args:
        why: The reason.
    """

    why: str


def choice(*bad: Any, says: str = Checked.says) -> Checked:
    """Takes some words only: a typo is refused, and so is nothing."""
    return Checked(("tpyo", "", *bad), says)


def whole(
    least: int | None = None, most: int | None = None, says: str = Checked.says
) -> Checked:
    """Takes integers only, within bounds."""
    outside = [] if least is None else [least - 1, np.int64(least - 1)]
    outside += [] if most is None else [most + 1]
    return Checked((*_NOT_NUMBERS, 1.5, np.float32(np.nan), *outside), says)


def number(*outside: float, says: str = Checked.says) -> Checked:
    """Takes finite numbers only, but not those outside its range."""
    return Checked((*_NOT_NUMBERS, np.float32(np.nan), *outside), says)


NAME = Free("a name that the caller gives")
TEXT = Free("words that a figure shows")
FILE = Free("the name of a file or folder; one that is missing is told")
MEMBER = Free("a member of what a file holds; the error lists the members")
INDEX = Free("an index, as of any sequence")
LAYER = Free("the name of a layer, only used in messages")
KERAS = Free("handed to Keras' method of the same name, which reads it")

POSITIVE = number(0, -1)
NOT_NEGATIVE = number(-1, -1e-9)
SHARE = number(-0.1, 1.1)
BELOW_ONE = number(-0.1, 1.0)
SEED = whole(0)
