"""Makes synthetic volumes of known answer from a seed.

Balls of random size and place lie in a noisy, unevenly bright background,
filled with oblique stripes: brightness follows `depth + height` in one class
(`rising`) and `depth - height` in the other (`falling`). Mean, variance and
period are the same.

In every plane of height and width both classes show the same stripes, and
likewise in every plane of depth and width: kernels of one such orientation
cannot tell them apart. Kernels that span depth *and* height can.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_cakes._files import write_text
from keras_cakes.data.volumes.cases import Volume
from keras_cakes.data.volumes.cases import save_label
from keras_cakes.data.volumes.reading.nifti import write_nifti
from keras_cakes.data.volumes.synthetic.balls import balls
from keras_cakes.data.volumes.synthetic.balls import checked_shape

PHANTOM_CLASSES = ("background", "rising", "falling")

# Voxels of a stripe, and deviation of the noise for stripes of amplitude 1.
_PERIOD = 6.0
_NOISE = 0.6


def phantom_volumes(
    cases: int, shape: Sequence[int] = (32, 32, 32), *, seed: int = 0
) -> list[Volume]:
    """Makes phantom volumes.

    Args:
        cases: Number of volumes.
        shape: `(depth, height, width)`, each at least 16.
        seed: Integer; the same seed gives the same bytes.

    Returns:
        Volumes named `phantom_000`, ... with images of one channel (zero
        mean, unit variance), labels of `PHANTOM_CLASSES`, 1 mm spacing.

    Raises:
        ValueError: If `cases` or `shape` is too small.
    """
    shape = checked_shape(cases, shape, seed)
    return [_phantom(number, shape, seed) for number in range(cases)]


def _phantom(number: int, shape: tuple[int, ...], seed: int) -> Volume:
    generator = np.random.default_rng([seed, number])
    grid = np.meshgrid(
        *(np.arange(size, dtype=np.float32) for size in shape), indexing="ij"
    )
    image = _smooth_field(generator, grid, shape)
    label = np.zeros(shape, np.uint8)
    for value, inside in balls(label, grid, (0.15, 0.24), generator):
        phase = generator.uniform(0, 2 * np.pi)
        ramp = grid[0] + (grid[1] if value == 1 else -grid[1])
        stripes = np.sin(2 * np.pi / _PERIOD * ramp + phase)
        image[inside] = 1.0 + stripes[inside]
    image += generator.normal(0.0, _NOISE, shape)
    image = (image - image.mean()) / image.std()
    name = f"phantom_{number:03d}"
    return Volume(
        name, image.astype(np.float32)[..., None], label, np.eye(4), Path(name)
    )


def _smooth_field(generator, grid, shape):
    field = np.zeros(shape, np.float32)
    for _ in range(3):
        wave = generator.uniform(-1, 1, 3)
        phase = generator.uniform(0, 2 * np.pi)
        field += 0.3 * np.sin(
            sum(
                2 * np.pi * w * g / s
                for w, g, s in zip(wave, grid, shape, strict=True)
            )
            + phase
        )
    return field


def write_msd(
    folder: Path,
    cases: int,
    *,
    shape: Sequence[int] = (32, 32, 32),
    seed: int = 0,
) -> None:
    """Writes the volumes of `phantom_volumes` in the layout of the MSD.

    The folder gets `imagesTr`, `labelsTr` and `dataset.json`.
    """
    folder = Path(folder)
    training = []
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for volume in phantom_volumes(cases, shape, seed=seed):
        file = f"{volume.name}.nii.gz"
        write_nifti(
            volume.image[..., 0], volume.affine, path=folder / "imagesTr" / file
        )
        save_label(volume, volume.label, path=folder / "labelsTr" / file)
        training.append(
            {"image": f"imagesTr/{file}", "label": f"labelsTr/{file}"}
        )
    document = {
        "name": "phantom",
        "labels": {str(i): name for i, name in enumerate(PHANTOM_CLASSES)},
        "training": training,
    }
    write_text(folder / "dataset.json", json.dumps(document, indent=1))
