"""What every layer of the package has to do, in one call."""

import json

import keras
import numpy as np


def check_layer(layer_class, arguments, input_shape, tmp_path):
    """Runs the contract of a Keras layer.

    Configuration and JSON round trip, symbolic and eager call, shapes, one
    compiled training step, mixed precision, saving and loading.

    Args:
        layer_class: The class.
        arguments: Constructor arguments.
        input_shape: Shape of a batch.
        tmp_path: A folder for files.

    Returns:
        The built layer.
    """
    layer = layer_class(**arguments)
    config = layer.get_config()
    again = layer_class.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    for name in arguments:
        assert name in config, f"{name} is missing from the configuration"

    inputs = np.random.default_rng(0).normal(size=input_shape)
    inputs = inputs.astype("float32")
    expected = layer.compute_output_shape(input_shape)
    outputs = layer(inputs)
    assert tuple(outputs.shape) == tuple(expected)

    image = keras.Input(input_shape[1:])
    model = keras.Model(image, layer_class(**arguments)(image))
    assert model.output_shape[1:] == tuple(expected[1:])
    model.compile("sgd", "mse")
    target = np.zeros(expected, "float32")
    before = [np.array(w) for w in model.trainable_weights]
    model.train_on_batch(inputs, target)
    after = [np.array(w) for w in model.trainable_weights]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))

    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(
        loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0)
    )

    mixed = layer_class(**arguments, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(mixed(inputs).dtype) == "bfloat16"
    assert all(
        w.dtype == "float32" for w in mixed.weights if "float" in w.dtype
    )
    return layer
