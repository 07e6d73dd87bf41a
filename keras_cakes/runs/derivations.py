"""Derives configurations, each tied to the settings it was derived with."""

import logging
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_cakes._errors import RunError
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.models.rewriting.specification import PRIORITIES
from keras_cakes.runs.files import write_json
from keras_cakes.runs.files import write_text
from keras_cakes.runs.folder import RunFolder
from keras_cakes.runs.folder import differences
from keras_cakes.runs.records import read_record
from keras_cakes.runs.resume import load_whole
from keras_cakes.runs.settings import SEARCHED
from keras_cakes.runs.settings import RunSettings
from keras_cakes.search.deriving.derive import derive
from keras_cakes.search.scores.sampling import sample_paths

logger = logging.getLogger(__name__)

# Settings that only the step `derive` reads.
DERIVING = ("budget", "channel_multiple", "rule", "score")


def searches_behind(variant: str) -> tuple[str, ...]:
    """Names the searches that a variant needs.

    The random variant matches the cost of the performance-priority one.
    """
    if variant == "random":
        return ("performance",)
    return (variant,) if variant in PRIORITIES else ()


def deriving_settings(
    priority: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Picks the settings that a configuration is derived with.

    Args:
        priority: Priority of the search.
        settings: Settings of the run; a missing one has its default.
    """
    values = {
        name: settings.get(name, getattr(RunSettings, name))
        for name in DERIVING
    }
    if priority == "cost":
        # Paths of this search cannot be sampled.
        values["score"] = "path_weights"
    if values["score"] == "sampled":
        values["rule"] = "layer"
    return values


class Derivation:
    """Derives the configuration of one search of a run.

    Args:
        folder: The run folder.
        priority: Priority of the search.
    """

    def __init__(self, folder: RunFolder, priority: str):
        self.folder = folder
        self.priority = priority
        self.settings = deriving_settings(priority, folder.settings)
        search = folder / "search" / priority
        self.supernet = search / "supernet.keras"
        self.configuration = search / "configuration.json"
        self.record = search / "derivation.json"

    def is_done(self) -> bool:
        """Tells whether there is a configuration of these settings."""
        return (
            self.configuration.is_file()
            and self.record.is_file()
            and read_record(self.record) == self.settings
        )

    def needs_data(self) -> bool:
        """Tells whether paths have to be sampled."""
        return self.settings["score"] == "sampled" and not self.is_done()

    def make(self, batches: Callable[[], Any], seed: int) -> Configuration:
        """Derives the configuration, or reads it if it is done.

        Args:
            batches: Returns the batches to evaluate sampled paths on.
            seed: Start of the random paths.

        Raises:
            RunError: If the search is not done, or its supernet is damaged.
        """
        if self.is_done():
            return Configuration.load(self.configuration)
        if not self.supernet.is_file():
            raise RunError(
                f"{self.supernet}: a finished search is expected; run "
                f"`search --priority {self.priority}` first. "
                "Received: no such file"
            )
        supernet = load_whole(self.supernet)
        score: Any = self.settings["score"]
        if score == "sampled":
            samples = sample_paths(supernet, batches(), seed=seed)
            logger.info(
                "sampled paths: correlation of their losses with those "
                "predicted %.2f",
                samples.correlation(),
            )
            score = samples.scores()
        configuration = derive(
            supernet,
            score,
            rule=self.settings["rule"],
            channel_multiple=self.settings["channel_multiple"],
            # Every network keeps a budget of one.
            budget={"macs": self.settings["budget"]},
        )
        self.configuration.unlink(missing_ok=True)
        write_json(self.record, self.settings)
        write_text(self.configuration, configuration.to_json())
        return configuration

    def check(self, known: Mapping[str, Any]) -> None:
        """Refuses other settings if networks were derived with the old ones.

        A configuration without networks binds nothing: `make` replaces it.

        Args:
            known: Settings of the last start. Configurations of earlier
                versions were derived with these.

        Raises:
            RunError: If a network depends on a configuration of other
                settings; the message names the folders to remove.
        """
        if not self.configuration.is_file():
            return
        if not self.record.is_file():
            write_json(self.record, deriving_settings(self.priority, known))
        changed = differences(read_record(self.record), self.settings)
        networks = [
            str(self.folder / "networks" / variant)
            for variant in SEARCHED
            if self.priority in searches_behind(variant)
        ]
        found = [n for n in networks if Path(n, "configuration.json").is_file()]
        if changed and found:
            raise RunError(
                f"{self.record}: the settings that networks of the run were "
                f"derived with are expected; remove {' and '.join(found)} to "
                "derive anew, or use another folder. Received: "
                + "; ".join(changed)
            )
