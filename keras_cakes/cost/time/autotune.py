"""Measures execution plans on the present device."""

import dataclasses
import json
import os
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes.cost.time.measurements import Measurements
from keras_cakes.cost.time.timing import Timing
from keras_cakes.cost.time.timing import check_measurement
from keras_cakes.cost.time.timing import describe_device
from keras_cakes.cost.time.timing import phase_function
from keras_cakes.cost.time.timing import time_alternately
from keras_cakes.cost.tracing import Shape
from keras_cakes.cost.tracing import trace_batch
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.plans.device import PHASES
from keras_cakes.layers.plans.device import present_device
from keras_cakes.layers.plans.plan import Plan
from keras_cakes.layers.plans.plan import is_flat
from keras_cakes.layers.plans.rule import ranked_plans

# Output channels are computed in blocks of one of these sizes, by the width
# of a processor's vectors.
_BLOCKS = (8, 16, 32)
# The plans of best prediction that are measured for each size of block.
_MOST_PLANS = 3
# A plan has to beat the predicted one by more than the noise of a measurement.
_WORTHWHILE = 0.97


def autotune(
    model: keras.Model,
    batch_shape: Any,
    *,
    file: "str | os.PathLike[str] | None" = None,
    phases: Sequence[str] = PHASES,
    repeats: int = 7,
    verbose: bool = True,
) -> dict[str, dict[str, Any]]:
    """Measures execution plans and gives each layer the fastest.

    Every `CakesConv3D` of the model is measured on the present device, each
    distinct shape once. Candidate plans run in turns, among them the dense
    plan and the predicted one; the predicted plan stays unless another is
    faster by more than the noise of the measurement. Weights and results do
    not change.

    The plans become part of the layers' configuration, so a saved model keeps
    them. `fit`, `evaluate` and `predict` use the new plans; other functions
    that were traced before keep the old ones.

    Args:
        model: A built Keras model; nested layers are measured too.
        batch_shape: Shape of its input, batch included, such as `(2, 48, 64,
            48, 1)`; a list of shapes if there are several inputs.
        file: Path of a small JSON file that keeps measured plans, by device;
            shapes that it holds are not measured again. It is written if it
            is missing.
        phases: `"inference"`, `"training"` or both.
        repeats: Timed runs of each plan of the last round.
        verbose: True to show the progress.

    Returns:
        For each layer and phase the plan, and under `"ms"` the measured
        median of the plan and of the dense one.

    Raises:
        ValueError: If the model has no `CakesConv3D`, `batch_shape` does not
            fit it, or `file` holds no plans.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d(
        ...     (8, 8, 8, 1), width=4, depth=2, convolution="1d2d3d"
        ... )
        >>> plans = kc.autotune(model, (1, 8, 8, 8, 1), verbose=False)
        >>> sorted(next(iter(plans.values())))
        ['inference', 'training']
    """
    check_measurement(phases, repeats)
    known = Measurements("plans", describe_device(), file)
    calls = _cakes_calls(model, batch_shape)
    keys = {layer: _key(layer, shape) for layer, shape in calls.items()}
    distinct = {
        (keys[layer], phase): (layer, shape)
        for layer, shape in calls.items()
        for phase in phases
    }
    missing = [name for name in distinct if "/".join(name) not in known.values]
    progress = keras.utils.Progbar(len(missing), verbose=int(verbose))
    for number, (key, phase) in enumerate(missing, start=1):
        layer, shape = distinct[key, phase]
        plan, times = tune_layer(layer, shape, phase=phase, repeats=repeats)
        dense = times[Plan.dense(layer.channel_counts)]
        known.values[f"{key}/{phase}"] = {
            "plan": plan.to_config(),
            "ms": times[plan].median_ms,
            "dense_ms": dense.median_ms,
        }
        # Saved after each layer, for a run that is stopped.
        known.save()
        progress.update(number)
    chosen = {}
    for layer in calls:
        measured = {
            phase: known.values[f"{keys[layer]}/{phase}"] for phase in phases
        }
        before = layer.plan if isinstance(layer.plan, dict) else {}
        layer.plan = {
            **dict.fromkeys(PHASES),
            **before,
            **{phase: value["plan"] for phase, value in measured.items()},
        }
        chosen[layer.name] = measured
    for function in ("train_function", "test_function", "predict_function"):
        setattr(model, function, None)
    return chosen


def _cakes_calls(
    model: keras.Model, batch_shape: Any
) -> dict[CakesConv3D, Shape]:
    """Finds the layers of the model, each with the first shape it reads."""
    layers: dict[CakesConv3D, Shape] = {}
    for call in trace_batch(model, batch_shape, CakesConv3D):
        if isinstance(call.layer, CakesConv3D):
            layers.setdefault(call.layer, call.inputs[0])
    if not layers:
        raise ValueError(
            "`model` is expected to have `CakesConv3D` layers, whose plans "
            f"can be measured. Received: model={model.name!r}"
        )
    return layers


def _key(layer: CakesConv3D, shape: Shape) -> str:
    """Names all that the time of a layer depends on, besides the device."""
    return json.dumps(
        [
            list(shape),
            *map(list, layer.geometry[:2]),
            *layer.geometry[2:],
            layer.groups,
            layer.compute_dtype,
            layer.assignment.to_list(),
        ],
        separators=(",", ":"),
    )


def tune_layer(
    layer: CakesConv3D, batch_shape: Shape, *, phase: str, repeats: int = 7
) -> tuple[Plan, dict[Plan, Timing]]:
    """Measures the candidate plans of one layer.

    Args:
        layer: A built layer; it is not changed.
        batch_shape: Shape of its input, batch included.
        phase: `"inference"` or `"training"`.
        repeats: Timed runs of each plan of the last round.

    Returns:
        The fastest plan, and the times of the last round.
    """
    probe = CakesConv3D.from_config({**layer.get_config(), "plan": None})
    probe.build(batch_shape)

    def function(plan: Plan) -> Callable[[], Any]:
        probe.plan = plan.to_config()
        run = phase_function(probe, [batch_shape], phase)
        run()  # Traced now, with this plan.
        return run

    dense = Plan.dense(layer.channel_counts)
    usual = probe.plans[phase]
    plans = dict.fromkeys([dense, usual, Plan.separate(layer.channel_counts)])
    in_channels = batch_shape[layer.geometry.channel_axis]
    for block in _BLOCKS:
        device = present_device(phase)._replace(block=block)
        ranked = ranked_plans(
            layer.channel_kernels, device, in_channels=in_channels
        )
        plans.update(dict.fromkeys(plan for _, plan in ranked[:_MOST_PLANS]))
    functions = {plan: function(plan) for plan in plans}
    coarse = time_alternately(functions, repeats=3, warm_up=0)
    best = sorted(coarse, key=lambda plan: coarse[plan].min_ms)[:2]
    finalists = dict.fromkeys([dense, usual, *best, *_as_conv2d(best[0])])
    fine = time_alternately(
        {plan: functions.get(plan) or function(plan) for plan in finalists},
        repeats=repeats,
        warm_up=1,
    )
    winner = min(fine, key=lambda plan: fine[plan].median_ms)
    if fine[winner].ratio_to(fine[usual]) > _WORTHWHILE:
        winner = usual
    return winner, fine


def _as_conv2d(plan: Plan) -> list[Plan]:
    """Turns flat boxes into 2D convolutions; no plan if there are none."""
    boxes = tuple(
        dataclasses.replace(box, form="conv2d") if is_flat(box.size) else box
        for box in plan.boxes
    )
    return [] if boxes == plan.boxes else [Plan(boxes)]
