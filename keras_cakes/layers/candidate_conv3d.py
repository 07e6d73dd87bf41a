"""Defines the base of the search layer: the weights of its candidates."""

from collections.abc import Sequence
from typing import Any

from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.layers.paths import crop
from keras_cakes.layers.paths import path_kernel
from keras_cakes.layers.paths import shared_path_kernel
from keras_cakes.layers.sub_kernel_conv3d import SubKernelConv3D

CANDIDATE_KERNELS = ("separate", "shared")


class CandidateConv3D(SubKernelConv3D):
    """Holds the weights of the candidates of every channel.

    `candidate_kernels="separate"` has a variable for each member of
    `kernel_set`; `"shared"` has one variable, `full_kernel`, and each
    candidate is a centred crop of it.
    """

    kernel_set: tuple[SubKernel, ...]
    candidate_kernels: str

    def _build_candidates(self, input_shape: Sequence[int | None]) -> None:
        """Adds the variables of the candidates."""
        kernels = (
            [SubKernel(*self.kernel_size)]
            if self.is_shared
            else self.kernel_set
        )
        variables = self._add_kernels(
            input_shape, [(kernel, self.filters) for kernel in kernels]
        )
        if self.is_shared:
            self.full_kernel = variables[0]
        else:
            self.separate_kernels = variables

    @property
    def is_shared(self) -> bool:
        """Tells whether the candidates are crops of one kernel."""
        return self.candidate_kernels == "shared"

    @property
    def candidates(self) -> list[Any]:
        """Returns weights `(*sub_kernel, in_channels, filters)` per candidate.

        They are the variables, or crops of the shared variable.
        """
        if self.is_shared:
            return [
                crop(self.full_kernel, kernel) for kernel in self.kernel_set
            ]
        return list(self.separate_kernels)

    def assign_candidates(self, kernel: Any) -> None:
        """Gives each candidate the taps of a full kernel that it covers.

        Args:
            kernel: Weights of shape `(*kernel_size, in_channels, filters)`;
                `in_channels` are those of one group.
        """
        if self.is_shared:
            self.full_kernel.assign(kernel)
            return
        for variable, sub_kernel in zip(
            self.separate_kernels, self.kernel_set, strict=True
        ):
            variable.assign(crop(kernel, sub_kernel))

    def kernel_of(self, path: Any) -> Any:
        """Returns the full kernel of a path, before normalization.

        Args:
            path: Integers of shape `(filters,)`, for each output channel the
                index of its candidate in `kernel_set`.

        Returns:
            Weights of shape `(*kernel_size, in_channels, filters)`.
        """
        if self.is_shared:
            return shared_path_kernel(
                self.full_kernel, self.kernel_set, path=path
            )
        return path_kernel(
            self.candidates,
            self.kernel_set,
            path=path,
            kernel_size=self.kernel_size,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_set": [str(kernel) for kernel in self.kernel_set],
            "candidate_kernels": self.candidate_kernels,
        }
