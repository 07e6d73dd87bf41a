"""The candidate kernels of every channel, each its own or crops of one."""

from typing import Any

from keras_cakes._errors import choose
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import kernel_set as resolve_kernel_set
from keras_cakes.layers.paths import crop
from keras_cakes.layers.paths import path_kernel
from keras_cakes.layers.paths import shared_path_kernel
from keras_cakes.layers.sub_kernel_conv3d import SubKernelConv3D

WEIGHTS = ("separate", "shared")


class CandidateConv3D(SubKernelConv3D):
    """Base of the search layer: the weights of its candidates.

    `weights="separate"` has a variable for each member of `kernel_set`;
    `"shared"` has one, `full_kernel`, that they are centred crops of.
    """

    def __init__(self, filters, kernel_size, kernel_set, weights, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        choose("weights", weights, WEIGHTS)
        self.kernel_set = resolve_kernel_set(kernel_set, self.kernel_size)
        # `weights` of a Keras layer is the list of its variables.
        self.is_shared = weights == "shared"

    def _build_candidates(self, in_channels: int) -> None:
        self.in_channels = in_channels
        kernels = (
            [SubKernel(*self.kernel_size)]
            if self.is_shared
            else self.kernel_set
        )
        variables = self._add_kernels(
            in_channels, [(kernel, self.filters) for kernel in kernels]
        )
        if self.is_shared:
            self.full_kernel = variables[0]
        else:
            self.candidate_kernels = variables

    @property
    def candidates(self) -> list[Any]:
        """For each candidate weights `(*sub_kernel, in_channels, filters)`.

        The variables themselves, or crops of the shared one.
        """
        if self.is_shared:
            return [
                crop(self.full_kernel, kernel) for kernel in self.kernel_set
            ]
        return list(self.candidate_kernels)

    def kernel_of(self, path: Any) -> Any:
        """The full kernel of a path, before normalization.

        Args:
            path: Integers of shape `(filters,)`, for each output channel the
                index of its candidate in `kernel_set`.

        Returns:
            Weights of shape `(*kernel_size, in_channels, filters)`.
        """
        if self.is_shared:
            return shared_path_kernel(self.full_kernel, self.kernel_set, path)
        return path_kernel(
            self.candidates, self.kernel_set, path, self.kernel_size
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "kernel_set": [str(kernel) for kernel in self.kernel_set],
                "weights": "shared" if self.is_shared else "separate",
            }
        )
        return config
