import keras
import numpy as np
import pytest

import keras_cakes as kc


def _network(**kwargs):
    image = keras.Input((8, 8, 8, 2))
    conv = keras.layers.Conv3D(4, 3, padding="same", **kwargs)
    a = keras.layers.ReLU()(keras.layers.BatchNormalization()(conv(image)))
    b = keras.layers.Conv3D(4, 3, padding="same", use_bias=False)(a)
    return keras.Model(image, keras.layers.Add()([a, b]))


def test_parts_of_a_network_by_hand():
    model = _network()
    model.compile(keras.optimizers.Adam())
    memory = kc.cost.estimate_memory(model, (3, 8, 8, 8, 2))

    trained = (27 * 2 * 4 + 4) + 2 * 4 + 27 * 4 * 4
    assert memory.weights == 4 * (trained + 2 * 4)
    assert memory.gradients == 4 * trained
    assert memory.optimizer == 2 * 4 * trained
    # The image, what is normalized, and what the activation made: it is read
    # twice and kept once. The sum is needed by nobody.
    assert memory.activations == 4 * 3 * 8**3 * (2 + 4 + 4)
    assert memory.working == 4 * (4 * 3 * 8**3 * 4)
    parts = (
        memory.weights
        + memory.gradients
        + memory.optimizer
        + memory.activations
        + memory.working
    )
    assert memory.overhead == int(0.6 * parts)
    assert memory.total == parts + memory.overhead


def test_an_activation_inside_keeps_what_it_made():
    plain = kc.cost.estimate_memory(_network(activation=None))
    active = kc.cost.estimate_memory(_network(activation="tanh"))
    # The normalization keeps the same tensor: it reads what tanh made.
    assert active.activations == plain.activations
    image = keras.Input((8, 8, 8, 2))
    conv = keras.layers.Conv3D(4, 1, activation="tanh")(image)
    kept = kc.cost.estimate_memory(keras.Model(image, conv)).activations
    assert kept == 4 * 8**3 * (2 + 4)


@pytest.mark.parametrize(
    ("optimizer", "slots"),
    [
        (keras.optimizers.SGD(0.1), 0),
        (keras.optimizers.SGD(0.1, momentum=0.9), 1),
        (keras.optimizers.AdamW(0.1), 2),
    ],
)
def test_slots_of_optimizers(optimizer, slots):
    model = _network()
    model.compile(optimizer)
    memory = kc.cost.estimate_memory(model)
    assert memory.optimizer == slots * memory.gradients


def test_candidates_of_both_priorities():
    def supernet(priority, **kwargs):
        image = keras.Input((8, 8, 8, 2))
        conv = keras.layers.Conv3D(4, 3, padding="same")(image)
        logits = keras.layers.Conv3D(5, 1)(keras.layers.ReLU()(conv))
        return kc.to_supernet(
            keras.Model(image, logits),
            kernel_set="1d",
            priority=priority,
            layers=lambda layer: layer.filters == 4,
            **kwargs,
        )

    single = kc.cost.estimate_memory(supernet("performance"))
    # The image, what is normalized and activated, and one full kernel.
    assert single.activations == 4 * (8**3 * (2 + 4 + 4) + 27 * 2 * 4)
    # Three candidates are normalized, and no full kernel is made.
    total = kc.cost.estimate_memory(supernet("cost", aggregation="sum"))
    assert total.activations == 4 * (8**3 * (2 + 3 * 4 + 4))
    wide = kc.cost.estimate_memory(supernet("cost", aggregation="concat"))
    assert wide.activations == 4 * (8**3 * (2 + 3 * 4 + 3 * 4))


def test_kernels_of_a_plan():
    image = keras.Input((8, 8, 8, 2))

    def kept(plan):
        layer = kc.CakesConv3D(6, 3, sub_kernels="1d", plan=plan)
        model = keras.Model(image, layer(image))
        return kc.cost.estimate_memory(model).activations - 4 * 8**3 * 2

    assert kept("dense") == 4 * 27 * 2 * 6
    assert kept("separate") == 4 * 3 * 2 * 6


def test_half_precision_halves_the_feature_maps():
    with_full = kc.cost.estimate_memory(_network())
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with_half = kc.cost.estimate_memory(_network())
    finally:
        keras.config.set_dtype_policy("float32")
    assert with_half.weights == with_full.weights
    # The input stays as it is.
    image = 4 * 8**3 * 2
    assert with_half.activations - image < 0.6 * (with_full.activations - image)


def test_text():
    text = str(
        kc.cost.estimate_memory(kc.models.unet3d((16, 16, 16, 1), width=4))
    )
    assert text.startswith("about 0.")
    assert "GiB (weights 0." in text
    assert "activations" in text


def test_unknown_sizes_are_an_error():
    model = kc.models.unet3d((None, None, None, 1), width=4, depth=2)
    with pytest.raises(ValueError, match="Sizes are expected to be known"):
        kc.cost.estimate_memory(model)
    assert kc.cost.estimate_memory(model, (1, 16, 16, 16, 1)).total > 0


def test_nothing_is_left_on_the_model():
    model = _network()
    before = {layer.name: set(vars(layer)) for layer in model.layers}
    kc.cost.estimate_memory(model)
    assert {layer.name: set(vars(layer)) for layer in model.layers} == before
    assert np.isfinite(model(np.ones((1, 8, 8, 8, 2), "float32"))).all()
