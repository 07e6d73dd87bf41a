import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_cakes as kc
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import kernel_set
from keras_cakes.layers.plans.plan import Plan


def _trained(model, seed=0):
    """Fills in weights and statistics that training could have left."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        shape = variable.shape
        if variable.path.endswith("moving_variance"):
            variable.assign(generator.uniform(0.5, 2, shape))
        elif variable.path.endswith(("moving_mean", "beta", "bias")):
            variable.assign(0.3 * generator.normal(size=shape))
        elif variable.path.endswith("gamma"):
            variable.assign(generator.uniform(-1.5, 1.5, shape))
    return model


def _check(model, shape, tolerance=1e-5):
    """Folds the model and compares outputs; returns the folded one."""
    _trained(model)
    inputs = np.random.default_rng(1).normal(size=shape).astype("float32")
    before = [np.array(w) for w in model.weights]
    folded = kc.fold(model)
    expected = model(inputs, training=False)
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(
        np.array(folded(inputs)) / scale, expected / scale, atol=tolerance
    )
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    return folded


def _shuffled(model, seed=0):
    """A configuration with the sub-kernels of each layer in any order."""
    generator = np.random.default_rng(seed)
    kernels = [str(kernel) for kernel in kernel_set("1d2d3d")]
    return kc.Configuration(
        {
            name: generator.choice(
                kernels, model.get_layer(name).filters
            ).tolist()
            for name in kc.replaceable_layers(model)
        }
    )


def _kinds(model):
    return {type(layer).__name__ for layer in model.layers}


def _separate(network):
    for layer in network.layers:
        if isinstance(layer, kc.CakesConv3D):
            layer.plan = "separate"
    return network


@pytest.mark.parametrize("plan", [None, "separate"])
def test_unet_loses_normalization_activations_and_permutations(plan):
    model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=2)
    network = kc.replace(model, _shuffled(model))
    for layer in network.layers:
        if isinstance(layer, kc.CakesConv3D):
            layer.plan = plan
    folded = _check(network, (2, 8, 8, 8, 1))
    assert "BatchNormalization" not in _kinds(folded)
    if plan:
        # The first of two convolutions of a block is free to reorder; the
        # second is added to something.
        for layer in folded.layers:
            if layer.name.endswith("conv1") and hasattr(layer, "plans"):
                order = layer.plans["inference"].order(layer.channel_kernels)
                assert order == sorted(order)


@pytest.mark.parametrize(
    "build",
    [
        lambda: kc.models.resnet50_video(
            (4, 32, 32, 3),
            classes=3,
            convolution=kc.Configuration.preset("resnet50_ssv1_1d2d_cost"),
        ),
        lambda: kc.models.c2fnas(
            (32, 32, 32, 1), width=2, convolution="1d2d3d"
        ),
        lambda: kc.models.resdsn((16, 16, 16, 1), convolution="1d2d3d"),
        lambda: kc.models.unet3d(
            (8, 8, 8, 1), width=4, depth=1, normalization="instance"
        ),
    ],
    ids=["resnet50_video", "c2fnas", "resdsn", "instance"],
)
def test_other_networks(build):
    keras.utils.set_random_seed(0)
    model = _separate(build())
    _check(model, (1, *model.input_shape[1:]), tolerance=1e-4)


def _cakes(filters, name, **arguments):
    return kc.CakesConv3D(
        filters,
        3,
        padding="same",
        sub_kernels=["1x3x3", "3x1x1"] * (filters // 2),
        plan="separate",
        name=name,
        **arguments,
    )


def _convolve(x, filters, name, **arguments):
    return _cakes(filters, name, **arguments)(x)


def _graph(case):
    image = keras.Input((4, 5, 6, 2))
    x = _convolve(image, 4, "first")
    layers = keras.layers
    if case == "addition":
        y = layers.Conv3D(4, 1, name="shortcut")(image)
        x = layers.Add()([layers.BatchNormalization()(x), y])
        x = _convolve(layers.ReLU()(x), 4, "second", activation="tanh")
    elif case == "concatenation":
        y = _convolve(image, 6, "other", use_bias=False)
        y = layers.BatchNormalization(scale=False)(y)
        x = layers.Concatenate()([layers.ReLU(0.5)(x), y, image])
        x = layers.Conv3DTranspose(3, 2, strides=2, name="up")(x)
        x = layers.BatchNormalization(center=False)(x)
        x = layers.Activation("sigmoid")(x)
    elif case == "dense":
        x = layers.GlobalAveragePooling3D()(layers.LeakyReLU()(x))
        x = layers.Dense(3)(x)
    elif case == "flat":
        x = layers.Dense(3)(layers.Flatten()(x))
    elif case == "two readers":
        y = layers.BatchNormalization()(x)
        x = layers.Add()([x, y])
    elif case == "two outputs":
        return keras.Model(image, [x, layers.BatchNormalization()(x)])
    elif case == "shared":
        norm = layers.BatchNormalization()
        x = layers.Add()([norm(x), norm(_convolve(image, 4, "second"))])
    elif case == "operation":
        x = layers.Conv3D(2, 1)(keras.ops.flip(x, axis=-1))
    elif case == "groups":
        x = layers.Conv3D(4, 1, groups=2, name="grouped")(x)
        x = layers.BatchNormalization()(x)
    elif case == "softmax":
        x = layers.Activation("softmax")(x)
        x = layers.Conv3D(2, 1)(x)
    elif case == "called twice":
        again = _cakes(4, "again")
        x = layers.Add()([again(x), again(layers.ReLU()(x))])
        x = layers.ReLU()(layers.BatchNormalization()(x))
    elif case == "called on itself":
        again = _cakes(4, "again")
        x = layers.ReLU()(again(again(x)))
        x = layers.Conv3D(2, 1)(x)
    elif case == "plain convolution called on itself":
        again = layers.Conv3D(4, 3, padding="same", name="again")
        x = layers.BatchNormalization()(again(again(again(x))))
    elif case == "activation of two widths":
        relu = layers.ReLU()
        y = _convolve(image, 6, "second")
        x = layers.Concatenate()(
            [_convolve(relu(x), 4, "third"), layers.Conv3D(2, 1)(relu(y))]
        )
        x = layers.Conv3D(3, 1)(x)
    elif case == "two outputs of one operation":
        y, z = keras.ops.split(_convolve(x, 6, "second"), [2], axis=-1)
        x = layers.Concatenate()([layers.Conv3D(2, 1)(y), _convolve(z, 2, "z")])
    elif case == "pre-activation":
        x = layers.ReLU()(layers.BatchNormalization()(layers.ReLU()(x)))
        x = _convolve(x, 2, "second")
    return keras.Model(image, x)


@pytest.mark.parametrize(
    "case",
    [
        "addition",
        "concatenation",
        "dense",
        "flat",
        "two readers",
        "shared",
        "operation",
        "groups",
        "softmax",
        "pre-activation",
        "called twice",
        "called on itself",
        "plain convolution called on itself",
        "activation of two widths",
        "two outputs of one operation",
    ],
)
def test_any_graph(case):
    _check(_graph(case), (2, 4, 5, 6, 2))


def test_an_output_keeps_its_order_and_normalization():
    model = _trained(_graph("two outputs"))
    folded = kc.fold(model)
    inputs = np.random.default_rng(0).normal(size=(1, 4, 5, 6, 2))
    for one, other in zip(model(inputs), folded(inputs), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


LOAD = """
import sys
import numpy as np
import tensorflow as tf

served = tf.saved_model.load(sys.argv[1] + "/exported")
inputs = np.load(sys.argv[1] + "/inputs.npy")
outputs = served.serve(inputs)
np.testing.assert_allclose(
    outputs, np.load(sys.argv[1] + "/outputs.npy"), atol=1e-5
)
assert "keras_cakes" not in sys.modules
"""


@pytest.mark.tensorflow
def test_a_folded_network_is_exported_and_saved(tmp_path):
    folded = _check(_graph("addition"), (2, 4, 5, 6, 2))
    inputs = np.random.default_rng(0).normal(size=(1, 4, 5, 6, 2))
    inputs = inputs.astype("float32")
    folded.export(tmp_path / "exported", verbose=False)
    np.save(tmp_path / "inputs.npy", inputs)
    np.save(tmp_path / "outputs.npy", folded(inputs))
    subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], check=True)
    folded.save(tmp_path / "folded.keras")
    loaded = keras.saving.load_model(tmp_path / "folded.keras")
    np.testing.assert_array_equal(loaded(inputs), folded(inputs))


def test_plans_are_those_of_inference():
    model = _graph("addition")
    layer = model.get_layer("first")
    layer.plan = {"inference": "dense", "training": "separate"}
    folded = kc.fold(model).get_layer("first")
    (box,) = folded.plans["inference"].boxes
    # The sub-kernels are merged for good.
    assert box == Plan.dense({SubKernel(3, 3, 3): layer.filters}).boxes[0]
    assert folded.channel_counts == {SubKernel(3, 3, 3): layer.filters}
    layer.plan = "separate"
    folded = kc.fold(model).get_layer("first")
    assert folded.plans["inference"] == layer.plans["inference"]


def test_the_rule_knows_that_channels_may_come_in_any_order():
    image = keras.Input((16, 16, 16, 64))
    sub_kernels = {"3x3x3": 20, "3x3x1": 22, "1x3x1": 22}
    first = kc.CakesConv3D(64, 3, sub_kernels=sub_kernels, padding="same")
    model = keras.Model(image, keras.layers.Conv3D(2, 1)(first(image)))
    # Broken blocks move into larger boxes, which costs an order.
    free = first.rule_plan("inference", in_any_order=True)
    assert free != Plan.separate(first.channel_counts)
    folded = kc.fold(model)
    layer = folded.get_layer(first.name)
    widths = [(box.size, box.filters) for box in layer.plans["inference"].boxes]
    assert widths == [(box.size, box.filters) for box in free.boxes]
    places = layer.plans["inference"].order(layer.channel_kernels)
    assert places == sorted(places)
    inputs = np.random.default_rng(0).normal(size=(1, 16, 16, 16, 64))
    np.testing.assert_allclose(
        folded(inputs), model(inputs), rtol=1e-4, atol=1e-4
    )


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="whose graph can be rewritten"):
        kc.fold(Own())
    assert tf.executing_eagerly()
