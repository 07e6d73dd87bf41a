import keras
import pytest

import keras_cakes as kc
from keras_cakes.cost import Timing


def test_timing():
    timing = Timing((3.0, 1.0, 2.0))
    assert (timing.median_ms, timing.min_ms, timing.max_ms) == (2, 1, 3)
    assert str(timing) == "2.0 ms (1.0 to 3.0)"
    assert timing.ratio_to(Timing((1.0, 1.0, 2.0))) == 1


def test_latency_of_a_network():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    before = model.get_weights()
    latency = kc.measure_latency(
        model,
        (2, 8, 8, 8, 1),
        phases=("inference", "training"),
        repeats=3,
        per_layer=True,
    )
    for timing in (latency.inference, latency.training):
        assert 0 < timing.min_ms <= timing.median_ms <= timing.max_ms
    assert {"logits"} < set(latency.per_layer)
    assert all(t["training"].min_ms > 0 for t in latency.per_layer.values())
    text = str(latency)
    assert "threads" in text and "logits" in text and "total" in text
    after = model.get_weights()
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_latency_of_a_layer():
    layer = kc.CakesConv3D(4, 3)
    layer.build((None, 5, 5, 5, 2))
    latency = kc.measure_latency(layer, (2, 5, 5, 5, 2), repeats=2)
    assert len(latency.inference.times_ms) == 2


@pytest.mark.parametrize(
    "shape", [(), (None, 8), (2, 0), 3, [(2, 8), (1, 8)], ("2", 8)]
)
def test_a_shape_without_known_sizes_is_refused(shape):
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    with pytest.raises(ValueError, match="batch first.*Received: batch_shape="):
        kc.measure_latency(model, shape)


def test_a_layer_that_is_no_model_is_refused():
    layer = keras.layers.Dense(1, name="dense")
    with pytest.raises(ValueError, match="that is not a model.*'dense'"):
        kc.measure_latency(layer)
