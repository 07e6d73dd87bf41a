"""Measures clips per second and memory against PyTorch with PyAV.

The videos are synthetic H.264 files of 240x320 and 60 to 100 frames. If
`KERAS_CAKES_DATA` names the folder of real data sets, the videos of
`gmdcsa24_rgb` are measured too. A clip has 8 frames, one of each of 8
segments. It gets a random crop of 7/8 of the shorter side, resized to 112x112,
a flip and the normalization of ImageNet. Batches hold 8 clips.

keras_cakes reads the mp4 files, and JPEG frames packed from them, once at
their full size and once with a shorter side of 128 pixels. The peer is a
PyTorch `DataLoader` whose workers decode the mp4 files with PyAV up to the
last frame they need. Each side has two workers.

Every side runs in processes of its own, in turns. The rate is the median over
the turns. `cpu_ms` is the least processor time for a clip, which other
programs disturb less. Memory is the sum of proportional shares (PSS) of a
side's processes at the end of an epoch.

    python benchmarks/clips.py            # needs the extras [video] and torch
    python benchmarks/clips.py --short    # few videos, keras_cakes alone

Writes `clips.csv` and `clips_memory.csv`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import psutil

import patches
import side_by_side

COLUMNS = {
    "data": "<10",
    "side": "<20",
    "clips_per_s": ">11.1f",
    "least": ">8.1f",
    "most": ">8.1f",
    "ratio": ">6.2f",
    "cpu_ms": ">7.1f",
}
MEMORY_COLUMNS = {
    "data": "<10",
    "side": "<20",
    "epochs": ">6",
    "first_mib": ">9.0f",
    "tenth_mib": ">9.0f",
    "last_mib": ">9.0f",
    "most_mib": ">9.0f",
}
PEER = "torch + PyAV, mp4"
SIDES = {
    "packed": "packed, 128",
    "packed_full": "packed, full size",
    "mp4": "mp4",
    "torch": PEER,
}
FRAMES = 8
SIZE = 112
SHORT_SIDE = 128
BATCH = 8
WORKERS = 2
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def make_videos(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Writes synthetic videos of a moving texture and noise."""
    import av

    folder.mkdir()
    height, width = size
    rows = ["path,label,num_frames"]
    for number in range(count):
        generator = np.random.default_rng(number)
        frames = int(generator.integers(60, 101))
        coarse = generator.integers(0, 256, (height // 6, width // 6, 3))
        texture = np.kron(coarse, np.ones((8, 8, 1)))
        path = folder / f"{number:03}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width = size
            stream.pix_fmt = "yuv420p"
            stream.options = {"preset": "veryfast"}
            for time_ in range(frames):
                down, right = time_ * height // 400, time_ * width // 400
                picture = texture[down : down + height, right : right + width]
                noise = generator.normal(0, 5, (*size, 1))
                picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        rows.append(f"{path.name},{number % 2},{frames}")
    (folder / "videos.csv").write_text("\n".join(rows) + "\n")


def cakes_clips(side: str, folder: Path, cache: Path) -> tuple[Any, int]:
    """Builds the pipeline of keras_cakes; also returns batches per epoch."""
    import tensorflow as tf

    from keras_cakes.data import VideoClips
    from keras_cakes.data import clips
    from keras_cakes.data import pack
    from keras_cakes.data import read_clip_list
    from keras_cakes.data.clips.batches.clip_augmentation import (
        ClipAugmentation,
    )

    dataset = read_clip_list(folder / "videos.csv")
    if side == "mp4":
        source: Any = VideoClips(dataset)
    else:
        source = pack(
            dataset,
            cache / side,
            short_side=SHORT_SIDE if side == "packed" else None,
            verbose=False,
        )
    augmentation = ClipAugmentation(
        size=(SIZE, SIZE), crop="random", short_side=SHORT_SIDE, flip=True
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = WORKERS
    data = clips(
        source, FRAMES, batch_size=BATCH, seed=0, augmentation=augmentation
    )
    return iter(data.with_options(options)), len(source) // BATCH


def torch_clips(folder: Path) -> tuple[Iterator[Any], int]:
    """Builds a DataLoader of the mp4 files; also returns batches per epoch."""
    import av
    import torch

    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    rows = [
        line.split(",")[:3]
        for line in (folder / "videos.csv").read_text().splitlines()[1:]
    ]
    names = sorted({label for _, label, _ in rows})
    files = [
        (folder / path, names.index(label), int(frames))
        for path, label, frames in rows
    ]

    class Clips(torch.utils.data.Dataset):
        """Holds one clip of each video."""

        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            path, label, count = files[index]
            draw = torch.rand(FRAMES + 3).tolist()
            wanted = [
                int((segment + draw[segment]) * count / FRAMES)
                for segment in range(FRAMES)
            ]
            clip = read(path, wanted)
            height, width = clip.shape[1:3]
            side = round(min(height, width) * SIZE / SHORT_SIDE)
            top = int(draw[-3] * (height - side + 1))
            left = int(draw[-2] * (width - side + 1))
            box = clip[:, top : top + side, left : left + side]
            box = torch.from_numpy(np.ascontiguousarray(box))
            box = torch.nn.functional.interpolate(
                box.permute(0, 3, 1, 2), (SIZE, SIZE), mode="bilinear"
            )
            if draw[-1] < 0.5:
                box = box.flip(-1)
            box = box.float().mul_(1 / (255 * std)).sub_(mean / std)
            return box.permute(1, 0, 2, 3).contiguous(), label

    def read(path, wanted):
        found = {}
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            # As fast as any other choice here, or faster.
            stream.thread_type = "SLICE"
            stream.codec_context.thread_count = 1
            for number, frame in enumerate(container.decode(stream)):
                if number in wanted:
                    found[number] = frame.to_ndarray(format="rgb24", threads=1)
                if number == wanted[-1]:
                    break
        return np.stack([found[number] for number in wanted])

    loader = torch.utils.data.DataLoader(
        Clips(),
        batch_size=BATCH,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
        drop_last=True,
    )

    def batches():
        while True:
            yield from loader

    return batches(), len(files) // BATCH


def used_time() -> float:
    """Returns the processor seconds used by this process and its children."""
    process = psutil.Process()
    times = [
        one.cpu_times() for one in [process, *process.children(recursive=True)]
    ]
    return sum(one.user + one.system for one in times)


def run_side(side: str, folder: Path, cache: Path, options: Any) -> None:
    """Draws clips and prints their rate, or memory, as JSON."""
    if side == "torch":
        batches, steps = torch_clips(folder)
    else:
        batches, steps = cakes_clips(side, folder, cache)
    if options.epochs:
        held = []
        for _ in range(options.epochs):
            for _ in range(steps):
                next(batches)
            held.append(patches.held_memory()[0])
        print(json.dumps({"pss": held}))
    else:
        # The first visit of a file is not like those that follow.
        for _ in range(2 * steps):
            next(batches)
        drawn, busy, start = 0, used_time(), time.perf_counter()
        while time.perf_counter() - start < options.seconds:
            next(batches)
            drawn += BATCH
        rate = drawn / (time.perf_counter() - start)
        busy = (used_time() - busy) / drawn
        print(json.dumps({"rate": rate, "cpu_ms": 1000 * busy}))
    # Workers of the other library need not end in order.
    sys.stdout.flush()
    os._exit(0)


def call(side: str, folder: Path, cache: Path, *arguments: Any) -> Any:
    """Runs a side in a process of its own."""
    output = subprocess.run(
        [
            *(sys.executable, __file__, "--side", side),
            *("--folder", str(folder), "--cache", str(cache)),
            *map(str, arguments),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def main() -> None:
    """Measures all sides, or one of them with `--side`."""
    parser = side_by_side.parser(__doc__, repeats=5)
    parser.add_argument("--side", choices=SIDES, help="run this side alone")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--videos", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=0)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.folder, options.cache, options)
        return
    output = options.output / "short" if options.short else options.output
    table = side_by_side.Table(output / "clips.csv", COLUMNS)
    sides = dict(SIDES)
    count, size, epochs = options.videos, (240, 320), options.epochs or 40
    if options.short:
        options.seconds, options.repeats = 0.5, 1
        count, size, epochs = 8, (60, 80), 2
        del sides["torch"]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make_videos(root / "synthetic", count, size)
        sets = {"synthetic": root / "synthetic"}
        real = os.environ.get("KERAS_CAKES_DATA")
        if real and not options.short:
            sets["gmdcsa24"] = Path(real) / "gmdcsa24_rgb"
        for name, folder in sets.items():
            cache = root / f"{name}_packed"
            runs: dict[str, list[dict[str, float]]] = {s: [] for s in sides}
            for _ in range(options.repeats):
                for side in sides:
                    arguments = ("--seconds", options.seconds)
                    runs[side].append(call(side, folder, cache, *arguments))
            rates = {s: [run["rate"] for run in runs[s]] for s in sides}
            peer = rates.get("torch")
            for side, found in rates.items():
                rate = statistics.median(found)
                table.add(
                    {
                        "data": name,
                        "side": sides[side],
                        "clips_per_s": rate,
                        "least": min(found),
                        "most": max(found),
                        "ratio": rate / statistics.median(peer)
                        if peer
                        else None,
                        "cpu_ms": min(run["cpu_ms"] for run in runs[side]),
                    }
                )
        memory = side_by_side.Table(output / "clips_memory.csv", MEMORY_COLUMNS)
        for side in sides:
            cache = root / "synthetic_packed"
            arguments = ("--epochs", epochs)
            held = call(side, sets["synthetic"], cache, *arguments)["pss"]
            memory.add(
                {
                    "data": "synthetic",
                    "side": sides[side],
                    "epochs": epochs,
                    "first_mib": held[0],
                    "tenth_mib": held[min(9, epochs - 1)],
                    "last_mib": held[-1],
                    "most_mib": max(held),
                }
            )


if __name__ == "__main__":
    main()
