"""Trains the candidates of a search and their path weights."""

import logging
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from keras_cakes._errors import choose
from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.cost.memory import batch_shape_of
from keras_cakes.cost.memory import check_capacity
from keras_cakes.cost.memory import estimate_memory
from keras_cakes.cost.memory import free_memory
from keras_cakes.layers.backends import expect_tensorflow
from keras_cakes.layers.cakes_search_conv3d import DRAWS
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.layers.paths import random_path

logger = logging.getLogger(__name__)


@keras.saving.register_keras_serializable(package="keras_cakes")
class Supernet(keras.Model):
    """Trains a network of search layers.

    `compile` and `fit` are Keras' own. With the performance priority each
    training step first draws a path: one candidate for each output channel
    of each search layer, the same on all replicas of a `tf.distribute`
    strategy. `evaluate` and `predict` use the current arg-max path. With the
    cost priority all candidates run, and the lasso of the search layers
    joins the loss.

    Besides the compiled metrics, `fit` logs

    - `data_loss`: the loss without the penalty of the path weights,
    - `penalty`: that penalty (0 without a lasso),
    - `expected_params`, `expected_macs`: the cost of the network that the
      current arg-max describes, if sizes are known; with a measured table
      also `expected_latency`, in milliseconds.

    `fit` and `evaluate` need Keras' TensorFlow backend; `predict`, `derive`
    and `replace` run on any. Before the first step `fit` estimates the memory
    of a step (`estimate_memory`), logs the estimate, and raises a
    `MemoryError` if it is above `memory_limit`. It does neither if the size
    of a batch is not known.

    Args:
        network: A functional model with `CakesSearchConv3D` layers.
        draw: `"independent"`: each channel draws uniformly on its own.
            `"balanced"`: channels are shuffled over the candidates; the
            numbers of channels of two candidates differ by at most one.
        seed: Integer, start of the random draws.
        channel_costs: For each search layer and each kind of cost (`params`,
            `macs`, optionally `latency`), the cost of one channel of each
            candidate in the derived network.
        fixed_cost: For each kind the cost of everything that is not searched.
        memory_limit: Bytes that a training step may take; `None` for the
            free memory of the machine.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((16, 16, 16, 1), width=4, depth=2)
        >>> supernet = kc.to_supernet(model, kernel_set="1d2d3d")
        >>> supernet.compile("sgd", kc.training.DiceCrossEntropy())
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        draw: str = "independent",
        seed: int = 0,
        channel_costs: Mapping[str, Mapping[str, list[float]]] | None = None,
        fixed_cost: Mapping[str, float] | None = None,
        memory_limit: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.network = network
        self.draw = choose("draw", draw, DRAWS)
        self.seed = whole("seed", seed, least=0)
        self.channel_costs = channel_costs
        self.fixed_cost = fixed_cost
        if not self.search_layers:
            raise ValueError(
                "`network` is expected to have CakesSearchConv3D layers; "
                "`to_supernet` makes them. Received: "
                f"network={network.name!r}"
            )
        unfit = [
            layer.name for layer in self.search_layers if layer.draw != draw
        ]
        if draw == "independent" and unfit:
            raise ValueError(
                "`draw='balanced'` is expected with layers that were made "
                "for balanced draws; they would run short of channels. "
                f"Received: draw={draw!r} with layers {unfit}"
            )
        self.memory_limit = memory_limit
        self.path_seed = keras.random.SeedGenerator(seed)
        self.penalty_tracker = keras.metrics.Mean(name="penalty")
        self.built = True

    @property
    def search_layers(self) -> tuple[CakesSearchConv3D, ...]:
        """Lists the search layers, in network order."""
        return tuple(
            layer
            for layer in self.network.layers
            if isinstance(layer, CakesSearchConv3D)
        )

    @property
    def priority(self) -> str:
        """Names the priority, `"performance"` or `"cost"`."""
        return self.search_layers[0].priority

    @property
    def inputs(self) -> list[Any]:
        """Lists the symbolic inputs of the network."""
        return self.network.inputs

    @property
    def input(self) -> Any:
        """Returns `inputs` in the structure of the network."""
        return self.network.input

    @property
    def memory_limit(self) -> float | None:
        """Limits the bytes of a training step; `None` for the free memory."""
        return self._memory_limit

    @memory_limit.setter
    def memory_limit(self, limit: float | None) -> None:
        if limit is not None:
            limit = number("memory_limit", limit, above=0)
        self._memory_limit = limit

    def call(self, inputs, training=None):
        return self.network(inputs, training=training)

    def compute_output_shape(self, input_shape):
        return self.network.compute_output_shape(input_shape)

    def draw_path(self) -> dict[str, Any]:
        """Draws a path, assigns it to the search layers and returns it.

        Returns:
            For each search layer integers of shape `(filters,)`: the index
            of each channel's candidate in `layer.kernel_set`.
        """
        path = {
            layer.name: random_path(
                layer.filters,
                len(layer.kernel_set),
                balanced=self.draw == "balanced",
                seed=self.path_seed,
            )
            for layer in self.search_layers
        }
        self.assign_path(path)
        return path

    def assign_path(self, path: Mapping[str, Any]) -> None:
        """Assigns a path, such as one of `path`, to the search layers."""
        for layer in self.search_layers:
            if layer.name not in path:
                raise ValueError(
                    "`path` is expected to name every search layer. "
                    f"Received: path of {list(path)}, without {layer.name!r}"
                )
            layer.assign_path(path[layer.name])

    @property
    def path(self) -> dict[str, Any]:
        """Returns the path drawn last, as NumPy integers per search layer."""
        return {
            layer.name: ops.convert_to_numpy(layer.drawn_path)
            for layer in self.search_layers
        }

    def penalty(self) -> Any:
        """Sums the lasso on the path weights over the layers (Eq. 10).

        Frozen path weights add nothing, as with any regularizer of Keras.
        """
        trained = {id(weight) for weight in self.trainable_weights}
        total = ops.zeros(())
        for layer in self.search_layers:
            scale = layer.path_normalization.gamma
            if layer.gamma_regularizer is not None and id(scale) in trained:
                total += layer.gamma_regularizer(scale)
        return total

    def expected_cost(self) -> dict[str, Any]:
        """Predicts the cost of the network that the current arg-max describes.

        Returns:
            A scalar for each kind of cost, by `expected_{kind}`; an empty
            mapping if the supernet was made without known sizes.
        """
        if self.channel_costs is None or self.fixed_cost is None:
            return {}
        totals = {}
        for kind, fixed in self.fixed_cost.items():
            total = ops.convert_to_tensor(float(fixed), dtype="float32")
            for layer in self.search_layers:
                costs = ops.convert_to_tensor(
                    self.channel_costs[layer.name][kind], dtype="float32"
                )
                chosen = ops.argmax(layer.path_weights, axis=0)
                total += ops.sum(ops.take(costs, chosen))
            totals[f"expected_{kind}"] = total
        return totals

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        *args,
        **kwargs,
    ):
        expect_tensorflow("Training a supernet")
        batch_shape = batch_shape_of(x, batch_size)
        if batch_shape is not None:
            limit = self.memory_limit
            statement = check_capacity(
                estimate_memory(self, batch_shape),
                free_memory() if limit is None else limit,
                self.name,
                batch_shape,
            )
            if verbose:
                logger.info(statement)
        return super().fit(x, y, batch_size, epochs, verbose, *args, **kwargs)

    def make_train_function(self, force=False):
        expect_tensorflow("Training a supernet")
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        expect_tensorflow("Evaluating a supernet")
        return super().make_test_function(force)

    def train_step(self, data):
        if self.priority == "performance":
            self.draw_path()
        return self._with_search_logs(super().train_step(data))

    def test_step(self, data):
        return self._with_search_logs(super().test_step(data))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        # The lasso is a regularizer of the scales, so Keras adds it to the
        # loss, once for all replicas. Here it is only recorded, with the
        # weight that this batch has in the mean of the loss.
        self.penalty_tracker.update_state(
            self.penalty(), sample_weight=ops.shape(keras.tree.flatten(x)[0])[0]
        )
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def _with_search_logs(self, logs):
        return {
            **logs,
            "data_loss": logs["loss"] - logs["penalty"],
            **self.expected_cost(),
        }

    # Keras does not store the state of seed generators; a resumed search has
    # to draw the same paths as one that was not stopped.
    def save_own_variables(self, store):
        store["path_seed"] = self.path_seed.state

    def load_own_variables(self, store):
        self.path_seed.state.assign(store["path_seed"])

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "draw": self.draw,
            "seed": self.seed,
            "channel_costs": self.channel_costs,
            "fixed_cost": self.fixed_cost,
            "memory_limit": self.memory_limit,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["network"] = keras.saving.deserialize_keras_object(
            config["network"], custom_objects=custom_objects
        )
        return cls(**config)
