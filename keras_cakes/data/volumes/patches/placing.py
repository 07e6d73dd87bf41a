"""Draws volume, place and pose of each patch."""

import dataclasses
from typing import Any
from typing import NamedTuple

from keras_cakes.data.volumes.patches.crops import Tables

_BLOCK = 1024


class Drawn(NamedTuple):
    """Holds the draws of one patch, or of several.

    Args:
        index: Number of the patch.
        case: Number of its volume.
        start: First voxel in the padded volume.
        pose: Number of its pose.
    """

    index: Any
    case: Any
    start: Any
    pose: Any

    @classmethod
    def of(cls, rows: Any) -> "Drawn":
        """Splits a table of draws, an array or a tensor, into columns."""
        return cls(rows[..., 0], rows[..., 1], rows[..., 2:5], rows[..., 5])


@dataclasses.dataclass(frozen=True)
class Draws:
    """Draws patches from their numbers.

    Random numbers are drawn 1024 patches at a time, which amortizes the cost.
    Block `k` serves patches 1024k to 1024k + 1023, for every shard.

    Args:
        tables: Extents and foreground voxels of the volumes.
        patch_shape: `(depth, height, width)` of a patch.
        poses: Number of poses.
        seed, foreground, patches_per_case, shard: See `patches`.
    """

    tables: Tables
    patch_shape: tuple[int, ...]
    poses: int
    seed: int
    foreground: float
    patches_per_case: int
    shard: tuple[int, int]

    def dataset(self, start: int) -> Any:
        """Draws the patches of this shard, without the first `start` ones.

        Returns:
            An endless `tf.data.Dataset` of tables `(number, 6)`, int64, a
            row for each patch; see `Drawn`.
        """
        import tensorflow as tf

        share, shards = self.shard
        lowest = start * shards + share
        # Tensors outside the graph, which holds 2 GB at most.
        tables = Tables(*map(tf.convert_to_tensor, self.tables))

        @tf.autograph.experimental.do_not_convert
        def draw(block):
            first = block * _BLOCK
            rows = self._rows(
                block, first + tf.range(_BLOCK, dtype=tf.int64), tables
            )
            begin = tf.maximum((share - first) % shards, lowest - first)
            return rows[begin::shards]

        return tf.data.Dataset.range(lowest // _BLOCK, 1 << 50).map(draw)

    def _rows(self, block: Any, index: Any, tables: Tables) -> Any:
        import tensorflow as tf

        # A negative number is the key of no patch.
        key = tf.stack([tf.constant(self.seed, tf.int64), -1 - block])
        uniform = tf.random.stateless_uniform(
            [_BLOCK, 7], key, dtype=tf.float64
        )
        free, value, voxel = uniform[:, :3], uniform[:, 3], uniform[:, 4]
        case = self._cases(index)
        extent = tf.gather(tables.extents, case)
        classes = tf.gather(tables.present, case)
        start = _below(free, extent - self.patch_shape + 1)
        # The drawn voxel of the class may lie anywhere in the patch.
        chosen = tf.stack([case, _below(value, classes)], -1)
        begin, number = tf.unstack(tf.gather_nd(tables.lists, chosen), 2, -1)
        centre = tf.gather(tables.voxels, begin + _below(voxel, number))
        placed = centre - _below(free, self.patch_shape)
        placed = tf.clip_by_value(placed, 0, extent - self.patch_shape)
        around = (uniform[:, 5] < self.foreground) & (classes > 0)
        start = tf.where(around[:, None], placed, start)
        pose = _below(uniform[:, 6], self.poses)
        columns = [case[:, None], start, pose[:, None]]
        return tf.concat(
            [index[:, None], *(tf.cast(c, tf.int64) for c in columns)], 1
        )

    def _cases(self, index: Any) -> Any:
        """Returns volumes in an order that is shuffled anew each round."""
        import tensorflow as tf

        count = len(self.tables.extents)
        turn = index // self.patches_per_case
        # `tf.random.experimental.index_shuffle` takes one seed only.
        return tf.raw_ops.RandomIndexShuffle(
            index=tf.cast(turn % count, tf.int32),
            seed=_mixed(self.seed, turn // count),
            max_index=count - 1,
            rounds=4,
        )


def _mixed(seed: int, rounds: Any) -> Any:
    """Makes seeds of shuffles, three integers for each round.

    A shuffle of few items uses only the lowest 8 bits of its seed, so that
    consecutive rounds would repeat their orders. SplitMix64 mixes all bits.
    """
    import tensorflow as tf

    def number(value):
        return tf.constant(value, tf.uint64)

    def folded(bits, shift):
        shifted = tf.bitwise.right_shift(bits, number(shift))
        return tf.bitwise.bitwise_xor(bits, shifted)

    bits = tf.bitcast(rounds, tf.uint64) * number(0x9E3779B97F4A7C15)
    bits += number(seed % (1 << 64))
    bits = folded(bits, 30) * number(0xBF58476D1CE4E5B9)
    bits = folded(bits, 27) * number(0x94D049BB133111EB)
    bits = folded(bits, 31)
    words = [tf.bitwise.right_shift(bits, number(at)) for at in (0, 21, 42)]
    words = [word % number(1 << 21) for word in words]
    return tf.cast(tf.stack(words, -1), tf.int32)


def _below(uniform: Any, limit: Any) -> Any:
    """Turns numbers in [0, 1) into integers from 0 to `limit - 1`."""
    import tensorflow as tf

    return tf.cast(uniform * tf.cast(limit, tf.float64), tf.int32)
