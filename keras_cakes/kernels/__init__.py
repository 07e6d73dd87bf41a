"""Names sub-kernels, kernel sets, assignments and configurations."""

from keras_cakes.kernels.assignment import Assignment
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.kernels.sub_kernels import NAMED_SETS
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import kernel_set

__all__ = [
    "Assignment",
    "Configuration",
    "NAMED_SETS",
    "SubKernel",
    "kernel_set",
]
