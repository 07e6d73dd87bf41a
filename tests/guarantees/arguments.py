"""Lists each string and number argument of each public function."""

from tests.guarantees.kinds import FILE
from tests.guarantees.kinds import INDEX
from tests.guarantees.kinds import KERAS
from tests.guarantees.kinds import LAYER
from tests.guarantees.kinds import MEMBER
from tests.guarantees.kinds import NAME
from tests.guarantees.kinds import TEXT
from tests.guarantees.kinds import Checked
from tests.guarantees.kinds import Free
from tests.guarantees.kinds import choice
from tests.guarantees.kinds import number
from tests.guarantees.kinds import whole

_POSITIVE = number(0, -1)
_NOT_NEGATIVE = number(-1, -1e-9)
_SHARE = number(-0.1, 1.1)
_BELOW_ONE = number(-0.1, 1.0)
_CONVOLUTION = {
    **dict.fromkeys(("filters", "kernel_size", "strides"), whole(1)),
    # By Keras, in its own words.
    "padding": choice(says="`{name}`"),
}
_SEARCH = {
    "kernel_set": choice(),
    "priority": choice("Performance"),
    "draw": choice("random"),
    "aggregation": choice("Concat"),
    "normalization": choice("layer"),
    "weights": choice("Shared"),
}
_LASSO = {"lasso": _NOT_NEGATIVE, "cost": choice("latncy")}
_DERIVE = {
    "score": choice(),
    "rule": choice("channels"),
    "channel_multiple": whole(1),
    "floor": _SHARE,
}
_BUDGET = {
    "budget": Checked(
        tuple({"macs": bad} for bad in _POSITIVE.bad), "`budget['macs']` is"
    )
}
_MODEL = {
    "classes": whole(1),
    "convolution": choice("3D"),
    "width": whole(1),
    "normalization": choice("layer"),
    "name": NAME,
}
_VIDEO_MODEL = {
    "classes": whole(1),
    "convolution": choice("3D"),
    "dropout": _BELOW_ONE,
    "name": NAME,
}
_BATCHES = {"batch_size": whole(1), "seed": whole(), "start_step": whole(0)}
_SYNTHETIC = {"seed": whole(0)}
_LIST = {
    "template": choice("{}{}"),
    "first_frame": whole(0),
    "min_frames": whole(1),
    "name": NAME,
    "on_error": choice("Skip"),
}
_WINDOW = {
    "overlap": _BELOW_ONE,
    "batch_size": whole(1),
    "weighting": choice("gauss"),
    "stride": whole(1),
}
_SURFACE = {"classes": whole(1), "tolerance": _NOT_NEGATIVE}
_VERBOSE = {"verbose": choice(-1, 3, 0.5)}
_CHANNELS = {"channels": whole(1, 3)}
# JSON holds them, which has no infinity.
_RUN_SETTINGS = {
    "data": FILE,
    "batch_size": whole(1),
    "width": whole(1),
    "learning_rate": _POSITIVE,
    **{name: _SEARCH[name] for name in ("kernel_set", "draw", "aggregation")},
    "weights": _SEARCH["weights"],
    "lasso": _NOT_NEGATIVE,
    **{name: _DERIVE[name] for name in ("rule", "score", "channel_multiple")},
    "budget": number(0, 1.1),
    "seed": whole(0),
    "variants": Checked((("tpyo",), ())),
}

ARGUMENTS: dict[str, dict[str, Checked | Free]] = {
    # The method.
    "Assignment.resolve": {"filters": whole(1)},
    "CakesConv3D": {**_CONVOLUTION, "sub_kernels": choice(), "plan": choice()},
    "CakesConv3D.has_rule_plan": {"phase": choice("infer")},
    "CakesConv3D.rule_plan": {"phase": choice("infer")},
    "CakesSearchConv3D": {
        **_CONVOLUTION,
        **_SEARCH,
        "momentum": _SHARE,
        "epsilon": _NOT_NEGATIVE,
    },
    "Configuration.from_json": {"text": Free("JSON; damage is told")},
    "Configuration.preset": {"name": choice()},
    "CostLasso": {
        "relative_costs": Checked(
            tuple([bad] for bad in _NOT_NEGATIVE.bad),
            "`relative_costs[0]` is expected",
        ),
        "strength": _NOT_NEGATIVE,
    },
    "LatencyTable": {
        "kernel_set": choice(),
        "phase": choice("infer"),
        "repeats": whole(1),
        "verbose": Free("a truth value"),
    },
    "LatencyTable.channel_ms": {"name": choice()},
    "LatencyTable.layer_ms": {"name": choice()},
    "LatencyTable.sizes": {"name": choice()},
    "SearchSpecification": {
        **_SEARCH,
        **_LASSO,
    },
    "SearchSpecification.lasso_of": {"name": LAYER},
    "SubKernel": dict.fromkeys(
        ("depth", "height", "width"), Free("a tuple; what reads it checks it")
    ),
    "SubKernel.parse": {"kernel": choice(says="A sub-kernel is expected")},
    "Supernet": {"draw": choice("random"), "seed": whole(0)},
    "Supernet.fit": {"epochs": KERAS, "verbose": KERAS},
    "autotune": {
        "phases": Checked((("infer",), "inference")),
        "repeats": whole(1),
    },
    "count_cost": {"convention": choice("Plain"), "path": choice("x")},
    "derive": {**_DERIVE, **_BUDGET},
    "even_configuration": {"kernel_set": choice(), **_BUDGET},
    "inflate": {"rule": choice("Sum"), "axis": whole(0, 2)},
    "inflate_kernel": {"rule": choice("Sum"), "axis": whole(0, 2)},
    "kernel_set": {"kernels": choice(says="`kernel_set` is expected")},
    "measure_latency": {
        "phases": Checked((("infer",), "inference")),
        "repeats": whole(1),
    },
    "pareto": {**_DERIVE, "cost": choice("latncy"), "points": whole(2)},
    "random_configuration": {"kernel_set": choice(), **_BUDGET, **_SYNTHETIC},
    "to_supernet": {**_SEARCH, **_LASSO, **_SYNTHETIC},
    "uniform_configuration": {"kernel_set": choice()},
    # Layers and models.
    "PathNormalization": {
        "normalization": choice("layer"),
        "momentum": _SHARE,
        "epsilon": _NOT_NEGATIVE,
        "axis": whole(),
    },
    "TrilinearUpSampling3D": {"size": whole(1), "data_format": choice()},
    "c2fnas": _MODEL,
    "load_published": {"dropout": _BELOW_ONE},
    "resdsn": _MODEL,
    "residual_video": {
        **_VIDEO_MODEL,
        "width": whole(1),
        "stages": whole(1),
        "blocks": whole(1),
        "stem_kernel_size": whole(1),
    },
    "resnet50_video": {**_VIDEO_MODEL, "strided": choice("Mixed")},
    "unet3d": {**_MODEL, "depth": whole(1), "stem_kernel_size": whole(1)},
    # Scores and training.
    "PathSamples.correlation": {"strength": _NOT_NEGATIVE},
    "PathSamples.scores": {"strength": _NOT_NEGATIVE},
    "sample_paths": {"samples": whole(10), "seed": whole(0)},
    "DecayedSGD": {
        "learning_rate": _NOT_NEGATIVE,
        "momentum": _SHARE,
        "decay": _NOT_NEGATIVE,
        "bias_rate": _NOT_NEGATIVE,
        "name": NAME,
    },
    "DiceCrossEntropy": {
        "smooth": _NOT_NEGATIVE,
        "dice_weight": _NOT_NEGATIVE,
        "cross_entropy_weight": _NOT_NEGATIVE,
        "name": NAME,
    },
    "DiceScore": {"name": NAME},
    "WarmUp": {"start": _NOT_NEGATIVE, "steps": whole(1)},
    "video_schedule": {
        "steps_per_epoch": whole(1),
        "learning_rate": _POSITIVE,
        "epochs": whole(1),
    },
    "volume_schedule": {"steps": whole(1), "learning_rate": _POSITIVE},
    "compile_segmentation": {"steps": whole(1), "learning_rate": _POSITIVE},
    "compile_video": {
        "steps_per_epoch": whole(1),
        "epochs": whole(1),
        "learning_rate": _POSITIVE,
        "decay": _NOT_NEGATIVE,
        "clip_norm": _POSITIVE,
    },
    "fit_resumable": {
        "steps": whole(1),
        "steps_per_epoch": whole(1),
        **_VERBOSE,
    },
    # Volumes.
    "Augmentation": {
        "angle": number(-1, 181),
        "scale": number(-0.1, 0.95),
        "elastic": _NOT_NEGATIVE,
        "shift": _NOT_NEGATIVE,
        "contrast": _SHARE,
        "gamma": number(-1, 11),
        "noise": _NOT_NEGATIVE,
    },
    "Preparation": {
        "orientation": choice("RAX", 3),
        "crop_below": number(),
        "normalization": choice("Case"),
        "spacing": Checked(((1, 1, float("nan")), (0, 1, 1), "abc")),
        "window": Checked(((0, float("inf")), (1, 0), (float("nan"), 1))),
    },
    "download": {
        "url": choice("ftp://example.org/a"),
        "sha256": choice("0" * 63),
        "md5": choice("0" * 31),
        "size": whole(0),
        "attempts": whole(1),
        "timeout": _POSITIVE,
        "wait": _NOT_NEGATIVE,
    },
    "patches": {
        **_BATCHES,
        "steps": whole(0),
        "foreground": _SHARE,
        "patches_per_case": whole(1),
    },
    "phantom_volumes": {"cases": whole(1), **_SYNTHETIC},
    "planted_volumes": {
        "cases": whole(1),
        "axis": whole(0, 2),
        "layout": choice("Balls"),
        **_SYNTHETIC,
    },
    "prepare": {"workers": whole(1), "on_error": choice("Skip")},
    "read_case_list": {"name": NAME},
    "read_dicom": {"series": MEMBER},
    "read_fold": {"fold": whole(0)},
    "read_msd": {"dataset_json": FILE},
    "unpack": {
        "root": MEMBER,
        "most_bytes": whole(0),
        "most_members": whole(0),
    },
    # Clips.
    "ArrayClips.fingerprint": {"clip": INDEX},
    "ArrayClips.frames_of": {"clip": INDEX},
    "PackedClips.fingerprint": {"clip": INDEX},
    "PackedClips.frames_of": {"clip": INDEX},
    "VideoClips.fingerprint": {"clip": INDEX},
    "VideoClips.frames_of": {"clip": INDEX},
    "ClipAugmentation": {
        "crop": choice("Random"),
        "short_side": whole(1),
        "brightness": _SHARE,
        "contrast": _SHARE,
        "saturation": _SHARE,
    },
    "ClipAugmentation.check": {
        "channels": Free("the number of a source that exists"),
        "classes": Free("the number of a source that exists"),
    },
    "ClipAugmentation.check_crops": {"crops": whole(1, 3)},
    "ClipAugmentation.views": {"crops": whole(1, 3)},
    "VideoClips": _CHANNELS,
    "clip_views": {
        "frames": whole(1),
        "batch_size": whole(1),
        "clips": whole(1),
        "crops": whole(1, 3),
        "short": choice("Spread"),
    },
    "clips": {
        **_BATCHES,
        "frames": whole(1),
        "steps": whole(0),
        "short": choice("Spread"),
        "remainder": choice("drop"),
        "on_error": choice("Skip"),
    },
    "open_packed": _CHANNELS,
    "pack": {
        "short_side": whole(1),
        "encoding": choice("jpg"),
        "quality": whole(1, 100),
        "clips_per_shard": whole(1),
        "workers": whole(1),
        "on_error": choice("Skip"),
    },
    "phantom_clips": {
        "clips": whole(1),
        "events": choice("Motion"),
        **_SYNTHETIC,
    },
    "planted_clips": {"clips": whole(1), "kind": choice("Time"), **_SYNTHETIC},
    "read_class_folders": _LIST,
    "read_clip_list": {**_LIST, "split": MEMBER},
    "read_video": _CHANNELS,
    "segment_frames": {
        "segments": whole(1),
        "short": choice("Spread"),
        "rule": choice("train"),
        "remainder": choice("drop"),
    },
    "shifted_frames": {
        "segments": whole(1),
        "clips": whole(1),
        "short": choice("Spread"),
    },
    # Evaluation and figures.
    "dice": {"classes": whole(1)},
    "hd95": {"classes": whole(1)},
    "nsd": _SURFACE,
    "surface_scores": _SURFACE,
    "paired_interval": {
        "column": choice(says="`scores_a` is expected"),
        "level": number(0, 1, -0.5),
        "resamples": whole(1),
        "seed": whole(0),
    },
    "predict_probabilities": _WINDOW,
    "predict_volume": _WINDOW,
    "score_cases": {
        **_WINDOW,
        "tolerance": _NOT_NEGATIVE,
    },
    "seed_interval": {"resamples": whole(1)},
    "plot_budgets": {"score_label": TEXT},
    "plot_composition": {"title": TEXT},
    "plot_confusion": {"title": TEXT},
    "plot_contours": {"plane": whole(0, 2)},
    "plot_paired_scores": {
        "column": choice(says="`scores_a` is expected"),
        "label": TEXT,
    },
    "plot_planes": {"name": TEXT},
    "plot_spans": {"chance": _SHARE},
    "plot_tradeoff": {
        "score": choice(says="`rows` is expected"),
        "label": TEXT,
    },
    # Runs.
    "RunSettings": _RUN_SETTINGS,
    "SegmentationSettings": {
        **_RUN_SETTINGS,
        "fold": whole(0),
        "cases": whole(1),
        "depth": whole(1),
        "normalization": choice("layer"),
        "steps": whole(1),
        "search_steps": whole(1),
        "steps_per_epoch": whole(1),
        "foreground": _SHARE,
        "overlap": _BELOW_ONE,
        "tolerance": _NOT_NEGATIVE,
    },
    "VideoSettings": {
        **_RUN_SETTINGS,
        **dict.fromkeys(("validation", "root"), FILE),
        **dict.fromkeys(("training_split", "validation_split"), MEMBER),
        "network": choice("resnet"),
        **dict.fromkeys(("stages", "blocks", "frames", "views"), whole(1)),
        "crop": choice("Random"),
        "channels": whole(1, 3),
        "short": choice("Spread"),
        "remainder": choice("drop"),
        "crops": whole(1, 3),
        "on_error": choice("Skip"),
        **dict.fromkeys(
            ("clips_per_class", "epochs", "search_epochs"), whole(1)
        ),
        "decay": _NOT_NEGATIVE,
        "dropout": _BELOW_ONE,
    },
    "SegmentationRun": _VERBOSE,
    "VideoRun": _VERBOSE,
    "cross_validate": {
        **_VERBOSE,
        "folds": Checked(
            ((-1,), (0.5,), (True,), (float("nan"),)), "`folds[0]` is expected"
        ),
    },
    "predict_clip": {"variant": choice()},
    "predict_scan": {"variant": choice()},
}
