"""Refuses arguments in one sentence, and names the package's own errors.

Plain Python, so that every room may import it.
"""

import contextlib
import math
import numbers
import operator
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any


class DataError(ValueError):
    """Says that a file or a data set is wrong; the message names it."""


class RunError(RuntimeError):
    """Says that a run cannot start, go on or be written; names the file."""


def require(place: object, holds: Any, expected: str, received: Any) -> None:
    """Refuses a file or a data set for which something does not hold.

    Args:
        place: The file or folder that the message names.
        holds: Whether all is well.
        expected: Subject and verb of the sentence, such as `"a file is"`.
        received: The end of the message.

    Raises:
        DataError: If `holds` is false.
    """
    if not holds:
        raise DataError(f"{place}: {expected} expected. Received: {received}")


@contextlib.contextmanager
def naming(
    place: object,
    expected: str,
    errors: type[Exception] | tuple[type[Exception], ...],
) -> Iterator[None]:
    """Turns errors of a block into a `DataError` that names a file.

    Args:
        place: The file or folder that the message names.
        expected: Subject and verb of the sentence, such as `"a file is"`.
        errors: Classes of the errors; a `DataError` passes as it is.
    """
    try:
        yield
    except DataError:
        raise
    except errors as error:
        raise DataError(
            f"{place}: {expected} expected. "
            f"Received: {type(error).__name__}: {str(error)[:300]}"
        ) from None


def shortened(value: object) -> str:
    """Writes a value as it may stand in a message, in 200 characters."""
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def expect(name: str, value: Any, holds: Any, expected: str) -> None:
    """Refuses an argument for which something does not hold.

    Args:
        name: Name of the argument.
        value: Its value.
        holds: Whether the value fits.
        expected: The rest of the sentence, such as `"to be positive"`.

    Raises:
        ValueError: If `holds` is false.

    Examples:
        >>> expect("shape", (1, 2), False, "to be three sizes")
        Traceback (most recent call last):
        ValueError: `shape` is expected to be three sizes. Received: \
shape=(1, 2)
    """
    if not holds:
        raise ValueError(
            f"`{name}` is expected {expected}. "
            f"Received: {name}={shortened(value)}"
        )


def choose(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """Returns an argument that is one of those allowed; refuses others."""
    # Compared one by one: what cannot be hashed or compared is no choice,
    # and `True` is not the choice 1.
    fits = any(type(value) is type(one) and value == one for one in allowed)
    expect(name, value, fits, f"to be one of {tuple(allowed)}")
    return value


def whole(
    name: str, value: Any, *, least: int | None = None, most: int | None = None
) -> int:
    """Returns an argument that is an integer; refuses any other value.

    Integers of NumPy are integers; booleans and floats are not.

    Args:
        name: Name of the argument.
        value: Its value.
        least: The smallest integer that fits.
        most: The largest integer that fits.
    """
    fits = (
        _is_integer(value)
        and (least is None or value >= least)
        and (most is None or value <= most)
    )
    expect(name, value, fits, "to be an integer" + _range(least, most))
    return operator.index(value)


def three(name: str, value: Any) -> tuple[int, int, int]:
    """Returns positive sizes of three axes, which may be given as one."""
    sizes = tuple(value) if isinstance(value, list | tuple) else (value,) * 3
    fits = len(sizes) == 3 and all(
        _is_integer(size) and size >= 1 for size in sizes
    )
    expect(name, value, fits, "to be a positive integer, or three of them")
    first, second, third = map(operator.index, sizes)
    return first, second, third


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Returns an argument that is a finite number; refuses any other value.

    Numbers of NumPy are numbers; booleans are not.

    Args:
        name: Name of the argument.
        value: Its value.
        least: The smallest number that fits.
        above: All numbers that fit are larger than this one.
        most: The largest number that fits.
        below: All numbers that fit are smaller than this one.
    """
    fits = (
        _is_number(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    )
    bounds = _range(least, most, above, below)
    expect(name, value, fits, "to be a finite number" + bounds)
    return float(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _range(
    least: float | None,
    most: float | None,
    above: float | None = None,
    below: float | None = None,
) -> str:
    """Says between which bounds a number lies."""
    if least is not None and most is not None:
        return f" from {least} to {most}"
    words = (
        (" of at least", least),
        (" above", above),
        (" at most", most),
        (" below", below),
    )
    return " and".join(
        f"{word} {bound}" for word, bound in words if bound is not None
    )
