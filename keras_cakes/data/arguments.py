"""Checks the arguments that the pipelines of patches and clips share."""

from collections.abc import Sequence

from keras_cakes._errors import expect
from keras_cakes._errors import whole

# Ways to treat a case or clip that cannot be read.
ON_ERROR = ("raise", "skip")


def check_batches(
    batch_size: int,
    seed: int,
    start_step: int,
    steps: int | None,
    shard: Sequence[int],
) -> None:
    """Refuses arguments of `patches` and `clips` that are out of range."""
    whole("batch_size", batch_size, least=1)
    whole("seed", seed)
    whole("start_step", start_step, least=0)
    if steps is not None:
        whole("steps", steps, least=0)
    expect(
        "shard",
        shard,
        len(shard) == 2 and 0 <= shard[0] < shard[1],
        "to be an index and a larger number of shards",
    )
