import keras_cakes as kc
from keras_cakes.cost import measure_forward


def test_measured_time():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    times = measure_forward(model, repeats=3)
    assert 0 < times["min_ms"] <= times["median_ms"] <= times["max_ms"]
