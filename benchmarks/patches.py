"""Measures patches per second against MONAI and TorchIO.

The volumes are twenty synthetic CT volumes of 512x512x120. If
`KERAS_CAKES_DATA` names the folder of real data sets, the hippocampus volumes
are measured too. Patches are random crops, two thirds of them around the
foreground, with flips along three axes and quarter turns in one plane, in
batches of two.

keras_cakes reads prepared volumes from disk. MONAI has them in a
`CacheDataset` behind a `DataLoader`, TorchIO in memory behind a `Queue`, with
two workers each. Every side runs in processes of its own, in turns. The rate
is the median over the turns. So is the processor time per patch, which other
programs disturb less. Memory is the largest sum of proportional shares (PSS)
of a side's processes. The table also shows the part of it that is no file,
and the part that came on top of the imported library. The last line shows the
share of a training step that waits for patches.

    python benchmarks/patches.py            # needs the extra [bench]
    python benchmarks/patches.py --sets hippocampus
    python benchmarks/patches.py --short    # small volumes, for a moment

The sides that are not installed are left out. Writes `patches.csv`.
"""

import dataclasses
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import psutil

import side_by_side

COLUMNS = {
    "data": "<12",
    "patch": "<9",
    "side": "<12",
    "patches_per_s": ">13.1f",
    "least": ">8.1f",
    "most": ">8.1f",
    "ratio": ">6.2f",
    "cpu_ms": ">8.2f",
    "pss_mib": ">8.0f",
    "no_file_mib": ">11.0f",
    "on_top_mib": ">10.0f",
}
# What each side imports.
SIDES = {
    "keras_cakes": "keras_cakes",
    "monai": "monai",
    "torchio": "torchio",
}
BATCH = 2
WORKERS = 2
SETS = ("ct", "hippocampus")
FOREGROUND = 0.67


@dataclasses.dataclass(frozen=True)
class Data:
    """Describes the volumes that patches are cut from.

    Args:
        folder: Folder with images and labels as NIfTI.
        patch: Size of a patch along each axis.
        window: Intensities that are kept, in HU; `None` for all.
    """

    folder: Path
    patch: int
    window: tuple[float, float] | None

    def cases(self) -> list[tuple[Path, Path]]:
        """Lists the images and labels."""
        images = sorted((self.folder / "imagesTr").glob("[!.]*.nii*"))
        return [(i, self.folder / "labelsTr" / i.name) for i in images]


def make_ct(folder: Path, count: int, shape: tuple[int, int, int]) -> None:
    """Writes synthetic CT volumes: smooth lumps, noise and one organ."""
    from keras_cakes.data import write_nifti

    affine = np.diag([0.8, 0.8, 2.5, 1.0])
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        generator = np.random.default_rng(number)
        coarse = [size // 8 for size in shape]
        lumps = generator.normal(0, 200, coarse)
        image = np.kron(lumps, np.ones((8, 8, 8))).astype(np.int16)
        image += generator.integers(-30, 30, image.shape, dtype=np.int16)
        label = np.zeros(image.shape, np.uint8)
        low = [generator.integers(0, size * 3 // 4) for size in shape]
        organ = tuple(
            slice(a, a + s // 6) for a, s in zip(low, shape, strict=True)
        )
        label[organ] = 1
        image[organ] += 300
        write_nifti(
            image, affine, path=folder / "imagesTr" / f"ct{number:02}.nii"
        )
        write_nifti(
            label, affine, path=folder / "labelsTr" / f"ct{number:02}.nii"
        )


def cakes_patches(data: Data, cache: Path) -> Any:
    """Builds the pipeline of keras_cakes, from prepared volumes."""
    from keras_cakes.data import Case
    from keras_cakes.data import Preparation
    from keras_cakes.data import VolumeDataset
    from keras_cakes.data import patches
    from keras_cakes.data import prepare

    cases = tuple(
        Case(image.name.split(".")[0], image, label)
        for image, label in data.cases()
    )
    classes = ("background", "first", "second")
    prepared = prepare(
        VolumeDataset("bench", cases, classes),
        cache,
        preparation=Preparation(orientation=None, window=data.window),
        verbose=False,
    )
    return patches(
        prepared,
        (data.patch,) * 3,
        batch_size=BATCH,
        seed=0,
        foreground=FOREGROUND,
        flip=True,
        rotate=[(0, 1)],
    )


def monai_patches(data: Data, cache: Path) -> Iterator[Any]:
    """Builds the pipeline of MONAI: all in memory except the random part."""
    import monai.transforms as mt
    from monai.data import CacheDataset
    from monai.data import DataLoader

    keys = ["image", "label"]
    size = (data.patch,) * 3
    fixed: list[Any] = [
        mt.LoadImaged(keys),
        mt.EnsureChannelFirstd(keys),
    ]
    if data.window:
        low, high = data.window
        fixed.append(mt.ThresholdIntensityd(["image"], high, False, high))
        fixed.append(mt.ThresholdIntensityd(["image"], low, True, low))
    transform = mt.Compose(
        [
            *fixed,
            mt.NormalizeIntensityd(["image"]),
            mt.SpatialPadd(keys, size),
            mt.FgBgToIndicesd("label"),
            mt.RandCropByPosNegLabeld(
                keys,
                "label",
                size,
                pos=FOREGROUND,
                neg=1 - FOREGROUND,
                fg_indices_key="label_fg_indices",
                bg_indices_key="label_bg_indices",
            ),
            *(mt.RandFlipd(keys, 0.5, spatial_axis=axis) for axis in range(3)),
            mt.RandRotate90d(keys, 0.75, spatial_axes=(0, 1)),
            mt.SelectItemsd(keys),
        ]
    )
    files = [{"image": str(i), "label": str(lab)} for i, lab in data.cases()]
    # What is cached is not changed by a crop; copying it would take most of
    # the time.
    dataset = CacheDataset(
        files,
        transform,
        num_workers=WORKERS,
        progress=False,
        copy_cache=False,
    )
    loader = DataLoader(
        dataset,
        batch_size=BATCH,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
        drop_last=True,
    )
    while True:
        for batch in loader:
            yield batch["image"], batch["label"]


def torchio_patches(data: Data, cache: Path) -> Iterator[Any]:
    """Builds the pipeline of TorchIO: volumes in memory, a patch queue."""
    import torch
    import torchio as tio

    class Posed(torch.utils.data.Dataset):
        """Flips and turns patches; with whole volumes this takes long."""

        def __init__(self, queue):
            self.queue = queue

        def __len__(self):
            return len(self.queue)

        def __getitem__(self, index):
            subject = self.queue[index]
            turns = int(torch.randint(4, ()))
            axes = [axis for axis in (1, 2, 3) if torch.rand(()) < 0.5]
            return tuple(
                torch.rot90(subject[name][tio.DATA], turns, (1, 2)).flip(axes)
                for name in ("image", "label")
            )

    normalize = tio.ZNormalization()
    subjects = []
    for image, label in data.cases():
        subject = tio.Subject(
            image=tio.ScalarImage(image), label=tio.LabelMap(label)
        )
        if data.window:
            subject = tio.Clamp(*data.window)(subject)
        subject = normalize(subject)
        if min(subject.spatial_shape) < data.patch:
            shape = [max(s, data.patch) for s in subject.spatial_shape]
            subject = tio.CropOrPad(shape)(subject)
        subject.load()
        subjects.append(subject)
    share = FOREGROUND
    sampler = tio.LabelSampler(
        data.patch,
        "label",
        {0: 1 - share, 1: share / 2, 2: share / 2}
        if len(subjects) > 20
        else {0: 1 - share, 1: share},
    )
    queue = tio.Queue(
        tio.SubjectsDataset(subjects),
        max_length=64,
        samples_per_volume=16,
        sampler=sampler,
        num_workers=WORKERS,
    )
    while True:
        yield from torch.utils.data.DataLoader(
            Posed(queue), batch_size=BATCH, num_workers=0
        )


def held_memory() -> tuple[float, float]:
    """Measures the memory of this process and its children in MiB.

    Returns:
        The PSS of all pages, and of those pages that belong to no file.
    """
    total = anonymous = 0
    process = psutil.Process()
    for one in [process, *process.children(recursive=True)]:
        try:
            text = Path(f"/proc/{one.pid}/smaps_rollup").read_text()
        except OSError:
            continue
        values = {
            line.split(":")[0]: int(line.split()[1])
            for line in text.splitlines()[1:]
        }
        total += values["Pss"]
        anonymous += values["Pss_Anon"] + values["Pss_Shmem"]
    return total / 1024, anonymous / 1024


def used_seconds() -> float:
    """Returns the processor time used by this process and its children."""
    process = psutil.Process()
    total = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def run_side(side: str, data: Data, cache: Path, seconds: float) -> None:
    """Draws patches for a while and prints rate and memory as JSON."""
    make = {
        "keras_cakes": cakes_patches,
        "monai": monai_patches,
        "torchio": torchio_patches,
    }[side]
    importlib.import_module(SIDES[side])
    imported, _ = held_memory()
    batches = iter(make(data, cache))
    most = [0.0, 0.0]
    done = threading.Event()

    def watch():
        while not done.wait(0.25):
            most[:] = map(max, most, held_memory())

    for _ in range(10):
        next(batches)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    drawn, used, start = 0, used_seconds(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        image, _ = next(batches)
        drawn += image.shape[0]
    rate = drawn / (time.perf_counter() - start)
    used = used_seconds() - used
    done.set()
    watcher.join()
    result = {
        "rate": rate,
        "cpu_ms": 1e3 * used / drawn,
        "pss": most[0],
        "no_file": most[1],
        "on_top": most[0] - imported,
    }
    print(json.dumps(result))
    # Workers of the other libraries need not end in order.
    sys.stdout.flush()
    os._exit(0)


def measure(
    name: str,
    data: Data,
    cache: Path,
    options: Any,
    table: side_by_side.Table,
) -> None:
    """Adds the rows of one data set to the table."""
    results: dict[str, list[dict[str, float]]] = {
        side: [] for side in options.sides
    }
    for _ in range(options.repeats):
        for side in options.sides:
            arguments = [
                *("--side", side, "--folder", str(data.folder)),
                *("--patch", str(data.patch), "--cache", str(cache)),
                *("--seconds", str(options.seconds)),
            ]
            if data.window:
                arguments += ["--window", *map(str, data.window)]
            output = subprocess.run(
                [sys.executable, __file__, *arguments],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
            results[side].append(json.loads(output.splitlines()[-1]))
    own = statistics.median(r["rate"] for r in results["keras_cakes"])
    for side, runs in results.items():
        rates = [run["rate"] for run in runs]
        table.add(
            {
                "data": name,
                "patch": f"{data.patch}^3",
                "side": side,
                "patches_per_s": statistics.median(rates),
                "least": min(rates),
                "most": max(rates),
                "ratio": own / statistics.median(rates),
                "cpu_ms": statistics.median(run["cpu_ms"] for run in runs),
                "pss_mib": max(run["pss"] for run in runs),
                "no_file_mib": max(run["no_file"] for run in runs),
                "on_top_mib": max(run["on_top"] for run in runs),
            }
        )


def waiting_share(data: Data, cache: Path, steps: int) -> float:
    """Measures the share of training that waits for patches."""
    import keras_cakes as kc

    network = kc.models.unet3d((data.patch,) * 3 + (1,), width=16)
    network.compile("sgd", kc.training.DiceCrossEntropy())
    batches = iter(cakes_patches(data, cache))
    network.train_on_batch(*next(batches))
    waited, start = 0.0, time.perf_counter()
    for _ in range(steps):
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        network.train_on_batch(*batch)
    return waited / (time.perf_counter() - start)


def installed_sides() -> list[str]:
    """Lists the sides that can be measured here."""
    sides = [s for s, name in SIDES.items() if importlib.util.find_spec(name)]
    for side in SIDES:
        if side not in sides:
            print(
                f"not compared: {side} is not installed; "
                "pip install 'keras-cakes[bench]'"
            )
    return sides


def main() -> None:
    """Measures all sides, or one of them with `--side`."""
    parser = side_by_side.parser(__doc__, repeats=3)
    parser.add_argument("--side", choices=SIDES, help="run this side alone")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--patch", type=int)
    parser.add_argument("--window", type=float, nargs=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--volumes", type=int, default=20)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    options = parser.parse_args()
    if options.side:
        window = tuple(options.window) if options.window else None
        data = Data(options.folder, options.patch, window)
        run_side(options.side, data, options.cache, options.seconds)
        return
    output = options.output / "short" if options.short else options.output
    table = side_by_side.Table(output / "patches.csv", COLUMNS)
    if options.short:
        options.seconds, options.repeats = 0.5, 1
    options.sides = installed_sides()
    start, load = time.perf_counter(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sets = {}
        if "ct" in options.sets:
            shape = (64, 64, 40) if options.short else (512, 512, 120)
            count = 3 if options.short else options.volumes
            make_ct(folder / "ct", count, shape)
            patch = 32 if options.short else 96
            sets["ct"] = Data(folder / "ct", patch, (-1000.0, 1000.0))
        real = os.environ.get("KERAS_CAKES_DATA")
        if real and "hippocampus" in options.sets and not options.short:
            path = Path(real) / "Task04_Hippocampus"
            sets["hippocampus"] = Data(path, 32, None)
        for name, data in sets.items():
            measure(name, data, folder / f"{name}_prepared", options, table)
        share = max(
            waiting_share(
                data, folder / f"{name}_prepared", 2 if options.short else 8
            )
            for name, data in sets.items()
        )
        print(f"share of a training step that waits for patches: {share:.2%}")
    print(
        f"load of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} "
        f"after {time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
