"""Symbolic inputs of any model."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes._errors import shortened


def symbolic_inputs(
    model: keras.Model, input_shape: Any = None, batch_size: int = 1
) -> Any:
    """Symbolic inputs of a batch, structured as the model takes them.

    Args:
        model: A Keras model.
        input_shape: Shape of one sample, or a list of shapes for several
            inputs, in the order of `model.inputs`. By default the shapes
            that the model was built with.
        batch_size: Samples in the batch.

    Raises:
        ValueError: If a size is not known, or the number of shapes is not
            that of the model's inputs.
    """
    known = getattr(model, "inputs", None)
    if input_shape is None:
        if not known:
            raise ValueError(
                "`input_shape` is expected for a model that has not been "
                f"built from inputs. Received: model={model.name!r}"
            )
        shapes = [tuple(tensor.shape[1:]) for tensor in known]
    elif input_shape and isinstance(input_shape[0], Sequence):
        shapes = [tuple(shape) for shape in input_shape]
    else:
        shapes = [tuple(input_shape)]
    if known and len(shapes) != len(known):
        raise ValueError(
            f"`input_shape` is expected to hold {len(known)} shapes, one for "
            f"each input of the model. Received: input_shape={input_shape}"
        )
    if any(None in shape for shape in shapes):
        raise ValueError(
            "Sizes are expected to be known: give `input_shape`, the shape "
            "of one sample. Received: model "
            f"{model.name!r} with input shapes {shapes}"
        )
    if not known:
        tensors = [keras.KerasTensor((batch_size, *shape)) for shape in shapes]
        return tensors[0] if len(tensors) == 1 else tensors
    tensors = [
        keras.KerasTensor((batch_size, *shape), tensor.dtype)
        for shape, tensor in zip(shapes, known, strict=True)
    ]
    if isinstance(model, keras.Sequential):
        return tensors[0]
    return keras.tree.pack_sequence_as(model.input, tensors)


def split_batch(batch_shape: Any) -> tuple[int, Any]:
    """A shape with its batch, or a list of such, as size and samples.

    Returns:
        The batch size, and the shape or shapes of one sample; 1 and `None`
        for `None`.

    Raises:
        ValueError: If the shapes do not have one known batch size.
    """
    if batch_shape is None:
        return 1, None
    try:
        several = isinstance(batch_shape[0], Sequence)
        shapes = [tuple(s) for s in (batch_shape if several else [batch_shape])]
        (batch_size,) = {shape[0] for shape in shapes}
        known = all(
            type(size) is int and size > 0 for shape in shapes for size in shape
        )
    except (IndexError, TypeError, ValueError):
        known = False
    if not known:
        raise ValueError(
            "`batch_shape` is expected to be a shape of known sizes, batch "
            "first, such as (2, 48, 64, 48, 1), or a list of such with one "
            f"batch size. Received: batch_shape={shortened(batch_shape)}"
        )
    samples = [shape[1:] for shape in shapes]
    return batch_size, samples if several else samples[0]


def batch_shapes(model: keras.Model, batch_shape: Any) -> list[tuple[int, ...]]:
    """The shapes of a model's inputs, batch included, one after the other.

    Args:
        model: A Keras model.
        batch_shape: One shape, a list of them, or `None` for one sample of
            the sizes that the model was built with.
    """
    batch_size, sample = split_batch(batch_shape)
    inputs = symbolic_inputs(model, sample, batch_size)
    return [tuple(tensor.shape) for tensor in keras.tree.flatten(inputs)]
