"""Starting a 3D network from the weights of a 2D one."""

from keras_cakes.inflation.kernels import inflate_kernel
from keras_cakes.inflation.transfer import inflate

__all__ = ["inflate", "inflate_kernel"]
