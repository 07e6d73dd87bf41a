"""Gives each public function arguments with which it would work."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_cakes as kc
from keras_cakes import data
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.segmentation.settings import SegmentationSettings


@functools.cache
def model() -> keras.Model:
    """Returns a small network; no test changes it."""
    return kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)


@functools.cache
def supernet() -> kc.Supernet:
    """Returns the supernet of `model`."""
    built = kc.to_supernet(model(), "video_2d3d")
    built.compile("sgd", kc.training.DiceCrossEntropy())
    return built


@functools.cache
def reconstruction() -> kc.search.Reconstruction:
    """Returns the prices of a small network with other statistics."""
    network = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    network.get_layer("stem_norm").moving_mean.assign([1.0, 2.0])
    scans = np.random.default_rng(0).normal(size=(2, 8, 8, 8, 1))
    return kc.search.reconstruct(
        network, scans.astype("float32"), positions=100, verbose=0
    )


@functools.cache
def latency_table() -> kc.cost.LatencyTable:
    """Returns a measured table of `model`."""
    names = kc.replaceable_layers(model())
    return kc.cost.LatencyTable(
        model(), names, kernel_set="video_2d3d", repeats=1, verbose=0
    )


@functools.cache
def layer() -> kc.CakesConv3D:
    """Returns a built layer."""
    built = kc.CakesConv3D(7, 3)
    built.build((1, 4, 4, 4, 1))
    return built


@functools.cache
def source() -> data.ArrayClips:
    """Returns two clips."""
    return data.phantom_clips(2, (4, 16, 16))


def nothing_done(*arguments: Any) -> Any:
    """Stands for work that must not begin."""
    raise AssertionError("work has begun")


_CASES = [{"case": name, "mean": 0.5} for name in "ab"]
_BATCH = (np.zeros((1, 8, 8, 8, 1), "float32"), np.zeros((1, 8, 8, 8), int))
# Read by nothing: arguments are checked first.
_NO_DATA = np.zeros((0, 8, 8, 8, 1), "float32")
_IMAGE = np.ones((4, 4, 4, 1), "float32")
_LABEL = np.zeros((4, 4, 4), int)
_SURFACES = {
    "prediction": _LABEL,
    "label": _LABEL,
    "classes": 2,
    "spacing": (1, 1, 1),
}
_SAMPLES = kc.search.PathSamples(
    {"a": 2}, {"a": np.full((20, 2), 0.5)}, np.linspace(0, 1, 20)
)
_CHOICES = {"model": model, "kernel_set": "1d2d3d", "budget": {"macs": 0.5}}
_SCORED = {"scores_a": _CASES, "scores_b": _CASES}

# Values that are functions are called when they are needed. Functions with no
# entry work without arguments.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "Assignment.resolve": {
        "sub_kernels": "1d2d3d",
        "filters": 7,
        "kernel_size": (3, 3, 3),
    },
    "CakesConv3D": {"filters": 7, "kernel_size": 3},
    "CakesSearchConv3D": {"filters": 7, "kernel_size": 3},
    "CostLasso": {"relative_costs": [1.0]},
    "LatencyTable": {"model": model, "layers": ["bottom_conv1"]},
    "LatencyTable.layer_ms": {"sub_kernels": "3x3x3"},
    "Supernet": {"network": lambda: supernet().network},
    "autotune": {"model": model, "batch_shape": (1, 8, 8, 8, 1)},
    "count_cost": {"model": model},
    "derive": {"supernet": supernet},
    "inflate": {"source": model, "target": model},
    "inflate_kernel": {"kernel": np.ones((3, 3, 1, 1)), "sub_kernel": "3x3x3"},
    "measure_latency": {"model": model},
    "pareto": {"supernet": supernet},
    "random_configuration": _CHOICES,
    "reconstruct": {"model": model, "data": _NO_DATA},
    "replace": {
        "model": model,
        "configuration": kc.Configuration({"bottom_conv1": {"1x3x3": 2}}),
    },
    "shrink": {"model": model, "data": _NO_DATA, "budget": {"macs": 0.5}},
    "to_supernet": {"model": model},
    "uniform_configuration": {"model": model, "kernel_set": "1d2d3d"},
    "c2fnas": {"input_shape": (16, 16, 16, 1), "width": 1},
    "resdsn": {"input_shape": (8, 8, 8, 1), "width": 2},
    "residual_video": {"input_shape": (4, 8, 8, 1), "width": 2},
    "resnet50_video": {"input_shape": (2, 32, 32, 3)},
    "unet3d": {"input_shape": (8, 8, 8, 1), "width": 2, "depth": 1},
    "sample_paths": {"supernet": supernet, "batches": [_BATCH], "samples": 10},
    "DiceScore": {"class_names": ["background", "organ"]},
    "WarmUp": {
        "schedule": lambda: kc.training.volume_schedule,
        "start": 0.1,
        "steps": 10,
    },
    "video_schedule": {"steps_per_epoch": 10},
    "compile_segmentation": {
        "model": model,
        "class_names": ("background", "rising", "falling"),
        "steps": 10,
    },
    "compile_video": {"model": model, "steps_per_epoch": 10, "epochs": 2},
    "fit_resumable": {
        "model": supernet,
        "batches": lambda: nothing_done,
        "steps": 10,
        "steps_per_epoch": 5,
    },
    "download": {
        "url": "http://127.0.0.1:9/none",
        "attempts": 1,
        "timeout": 1.0,
        "verbose": False,
    },
    "patches": {
        "volumes": lambda: data.phantom_volumes(1, (16, 16, 16)),
        "patch_shape": (4, 4, 4),
        "batch_size": 1,
        "seed": 0,
    },
    "phantom_volumes": {"cases": 1, "shape": (16, 16, 16)},
    "planted_volumes": {"cases": 1, "axis": 0, "shape": (16, 16, 16)},
    "prepare": {
        "dataset": data.VolumeDataset("none", (), ("background", "organ")),
        "verbose": False,
    },
    "read_fold": {
        "dataset": data.VolumeDataset(
            "two",
            tuple(data.Case(n, Path(n), None) for n in "ab"),
            ("background", "organ"),
        ),
    },
    "ClipAugmentation.views": {"frames": np.zeros((2, 16, 16, 1), "uint8")},
    "VideoClips": {
        "dataset": data.ClipDataset(
            "one", (data.Clip("a", Path("a"), 4, 0),), ("a", "b")
        )
    },
    "clip_views": {
        "source": source,
        "frames": 2,
        "batch_size": 1,
        "augmentation": data.ClipAugmentation((8, 8)),
    },
    "clips": {
        "source": source,
        "frames": 2,
        "batch_size": 1,
        "seed": 0,
        "augmentation": data.ClipAugmentation((8, 8)),
    },
    "pack": {"source": source, "verbose": False},
    "phantom_clips": {"clips": 1, "shape": (4, 16, 16)},
    "FrameSource": {
        "names": ("a",),
        "labels": (0,),
        "frame_counts": (4,),
        "classes": ("a",),
    },
    "read_something_something": {"version": 1, "split": "train"},
    "write_something_something_lists": {"version": 1},
    "write_phantom_clips": {"clips": 1, "shape": (4, 16, 16)},
    "write_video": {"frames": np.zeros((2, 16, 16, 1), "uint8")},
    "planted_clips": {"clips": 1, "kind": "time", "shape": (4, 4, 4)},
    "segment_frames": {"count": 8, "segments": 2, "key": (0, 1)},
    "shifted_frames": {"count": 8, "segments": 2},
    "dice": {"prediction": _LABEL, "label": _LABEL, "classes": 2},
    "hd95": _SURFACES,
    "nsd": _SURFACES,
    "surface_scores": _SURFACES,
    "paired_interval": _SCORED,
    "plot_paired_scores": _SCORED,
    "predict_probabilities": {
        "model": lambda: nothing_done,
        "image": _IMAGE,
        "patch_shape": (4, 4, 4),
    },
    "predict_volume": {
        "model": lambda: nothing_done,
        "image": _IMAGE,
        "patch_shape": (4, 4, 4),
    },
    "score_cases": {
        "model": lambda: nothing_done,
        "volumes": [],
        "class_names": ("background", "organ"),
        "patch_shape": (4, 4, 4),
    },
    "seed_interval": {"differences": np.ones((2, 2))},
    "plot_contours": {
        "volume": lambda: data.phantom_volumes(1, (16, 16, 16))[0],
        "predictions": {"a": np.zeros((16, 16, 16), int)},
        "class_names": data.PHANTOM_CLASSES,
    },
    "plot_shrinking": {
        "rows": [{"choice": "shrink", "macs_share": 0.5, "as_it_is": 0.8}],
        "original": 0.9,
    },
    "plot_tradeoff": {
        "rows": [{"name": "a", "dice": 1, "params": 1, "macs": 1, "ms": 1}]
    },
    "SegmentationRun": {
        "settings": SegmentationSettings(patch_shape=(16, 16, 16), width=2)
    },
    "VideoRun": {"settings": VideoSettings(size=(16, 16), width=2)},
    "cross_validate": {"settings": SegmentationSettings()},
}
# Arguments that name a file or folder; it is not there yet.
PATHS = {
    "LatencyTable": "file",
    "autotune": "file",
    "load_published": "path",
    "fit_resumable": "folder",
    "download": "path",
    "prepare": "folder",
    "read_fold": "folder",
    "unpack": "archive",
    "open_packed": "folder",
    "pack": "folder",
    "read_class_folders": "root",
    "read_clip_list": "path",
    "read_video": "path",
    "read_something_something": "folder",
    "write_something_something_lists": "folder",
    "write_phantom_clips": "folder",
    "write_video": "path",
    "SegmentationRun": "folder",
    "VideoRun": "folder",
    "cross_validate": "folder",
    "predict_clip": "folder",
    "predict_scan": "folder",
}
# What else of that is needed.
MORE_PATHS = {
    "unpack": ("folder",),
    "predict_clip": ("clip",),
    "predict_scan": ("image", "target"),
}
# The objects that methods belong to.
OBJECTS: dict[str, Callable[[], Any]] = {
    "CakesConv3D": layer,
    "LatencyTable": latency_table,
    "Reconstruction": reconstruction,
    "PathSamples": lambda: _SAMPLES,
    "ClipAugmentation": lambda: data.ClipAugmentation((8, 8)),
}


def arguments_of(key: str, folder: Path) -> dict[str, Any]:
    """Returns arguments with which a function would work."""
    arguments = {
        name: value() if callable(value) and not _is_value(value) else value
        for name, value in ARGUMENTS.get(key, {}).items()
    }
    if key in PATHS:
        ending = ".mp4" if key == "write_video" else ""
        arguments[PATHS[key]] = folder / f"new{ending}"
    for name in MORE_PATHS.get(key, ()):
        ending = ".nii" if name == "target" else ""
        arguments[name] = folder / f"{name}{ending}"
    return arguments


def _is_value(value: Any) -> bool:
    return not hasattr(value, "__name__") and not hasattr(value, "cache_info")
