"""Ties run folders to the settings of their runs."""

import contextlib
import importlib
import json
import os
import platform
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cakes import __version__
from keras_cakes._errors import RunError
from keras_cakes._errors import shortened
from keras_cakes._files import WorkFolder
from keras_cakes.runs.files import write_json
from keras_cakes.runs.settings import with_new_names


class RunFolder(WorkFolder):
    """Ties a folder to the settings that its run was started with.

    A step of the run is done when its last file exists; since files appear
    whole, a run that was killed or ran out of disk goes on where it stopped.
    `settings.json` holds the settings, `versions.json` the versions of the
    packages that the run was started with. Only `open` writes, once it holds
    the lock.

    Args:
        path: The folder; `open` makes it when missing.
        settings: The settings of the run as plain JSON values.
        free: Names of settings that may differ from one start to the next.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        settings: dict[str, Any],
        free: Sequence[str] = (),
    ):
        super().__init__(
            path,
            "settings.json",
            error=RunError,
            work="process",
            expected="an empty folder or that of a run",
            own=("versions.json", "data.json"),
        )
        self.settings = json.loads(json.dumps(settings))
        self.free = tuple(free)
        self._is_open = False

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def check(self) -> dict[str, Any] | None:
        """Compares the folder with the settings; writes nothing.

        Returns:
            The settings that the results in the folder were made with;
            `None` where there is no result yet.

        Raises:
            RunError: If the folder holds something else, or results of other
                settings.
        """
        results = self.results()
        if not self.settings_file.is_file():
            return None
        known = _read_settings(self.settings_file)
        # Nothing depends on settings under which nothing was made.
        if not results:
            return None
        compare_settings(self.settings_file, known, self.settings, self.free)
        return known

    @contextlib.contextmanager
    def open(
        self, check: Callable[[dict[str, Any] | None], None] | None = None
    ) -> Iterator[None]:
        """Locks and checks the folder, then writes the settings into it.

        A step may open the folder again that its caller has opened.

        Args:
            check: Called under the lock, with the result of `self.check()`,
                before the settings of the last start are replaced.

        Raises:
            RunError: See `check` and `lock`.
        """
        if self._is_open:
            yield
            return
        # Another's folder is left as it is: without even a lock file.
        self.check()
        with self.lock():
            known = self.check()
            if check is not None:
                check(known)
            file = self.settings_file
            if not file.is_file() or _read_settings(file) != self.settings:
                write_json(file, self.settings)
            versions = self.path / "versions.json"
            if not versions.is_file():
                write_json(versions, _versions())
            self._is_open = True
            try:
                yield
            finally:
                self._is_open = False


def _versions() -> dict[str, str]:
    return {
        "keras_cakes": __version__,
        **{
            name: importlib.import_module(name).__version__
            for name in ("keras", "tensorflow", "numpy")
        },
        "python": platform.python_version(),
    }


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(known, dict):
            raise ValueError(f"JSON of type {type(known).__name__}")
    except ValueError as error:
        raise RunError(
            f"{file}: the settings of a run are expected. Received: {error}"
        ) from None
    return with_new_names(known)


def compare_settings(
    file: Path,
    known: Mapping[str, Any],
    settings: Mapping[str, Any],
    free: Sequence[str] = (),
) -> None:
    """Refuses settings that differ from those of a run.

    Args:
        file: File of the known settings.
        known: Settings that the run was started with.
        settings: Settings of this start.
        free: Names of settings that may differ.

    Raises:
        RunError: If others differ; the message names file and settings.
    """
    changed = differences(known, settings, free)
    if changed:
        raise RunError(
            f"{file}: the settings that the run was started with are "
            "expected; use another folder for others. Received: "
            + "; ".join(changed)
        )


def differences(
    known: Mapping[str, Any],
    now: Mapping[str, Any],
    free: Sequence[str] = (),
) -> list[str]:
    """Names every key whose value has changed, with both values."""
    return [
        f"{key}: {shortened(known.get(key))} in the run, "
        f"{shortened(now.get(key))} now"
        for key in sorted({*known, *now} - {*free})
        if known.get(key) != now.get(key)
    ]
