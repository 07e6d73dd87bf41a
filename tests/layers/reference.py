"""Slow and obvious forms of what the package computes."""

import numpy as np


def embedded_kernel(layer):
    """The full kernel of a built `CakesConv3D`, channel by channel."""
    full = layer.kernel_size
    weights = {
        "x".join(map(str, w.shape[:3])): np.array(w)
        for w in layer.sub_kernel_weights
    }
    in_channels = layer.sub_kernel_weights[0].shape[3]
    kernel = np.zeros((*full, in_channels, layer.filters), "float32")
    used = dict.fromkeys(weights, 0)
    for channel, name in enumerate(layer.assignment.channels):
        size = tuple(map(int, name.split("x")))
        start = [
            (f - 1) // 2 - (s - 1) // 2 for f, s in zip(full, size, strict=True)
        ]
        place = tuple(slice(b, b + s) for b, s in zip(start, size, strict=True))
        kernel[(*place, slice(None), channel)] = weights[name][..., used[name]]
        used[name] += 1
    return kernel


def conv3d(image, kernel):
    """A valid convolution of stride 1, position by position.

    `image` is `(depth, height, width, in)`, `kernel` `(d, h, w, in, out)`.
    """
    sizes = [
        n - k + 1
        for n, k in zip(image.shape[:3], kernel.shape[:3], strict=True)
    ]
    output = np.zeros((*sizes, kernel.shape[-1]))
    for d in range(sizes[0]):
        for h in range(sizes[1]):
            for w in range(sizes[2]):
                window = image[
                    d : d + kernel.shape[0],
                    h : h + kernel.shape[1],
                    w : w + kernel.shape[2],
                ]
                output[d, h, w] = np.tensordot(window, kernel, axes=4)
    return output
