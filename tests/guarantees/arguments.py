"""Lists each string and number argument of each public function."""

from tests.guarantees.data_arguments import DATA_ARGUMENTS
from tests.guarantees.kinds import BELOW_ONE
from tests.guarantees.kinds import FILE
from tests.guarantees.kinds import KERAS
from tests.guarantees.kinds import LAYER
from tests.guarantees.kinds import MEMBER
from tests.guarantees.kinds import NAME
from tests.guarantees.kinds import NOT_NEGATIVE
from tests.guarantees.kinds import POSITIVE
from tests.guarantees.kinds import SEED
from tests.guarantees.kinds import SHARE
from tests.guarantees.kinds import Checked
from tests.guarantees.kinds import Free
from tests.guarantees.kinds import choice
from tests.guarantees.kinds import number
from tests.guarantees.kinds import whole

_CONVOLUTION = {
    **dict.fromkeys(
        (
            "filters",
            "kernel_size",
            "strides",
            "dilation_rate",
            "groups",
        ),
        whole(1),
    ),
    "kernel_initializer": KERAS,
    "bias_initializer": KERAS,
    # By Keras, in its own words.
    "padding": choice(says="`{name}`"),
}
_SEARCH = {
    "kernel_set": choice(),
    "priority": choice("Performance"),
    "draw": choice("random"),
    "aggregation": choice("Concat"),
    "normalization": choice("layer"),
    "candidate_kernels": choice("Shared"),
}
_LASSO = {"lasso": NOT_NEGATIVE, "cost": choice("latncy")}
_DERIVE = {
    "score": choice(),
    "rule": choice("channels"),
    "channel_multiple": whole(1),
    "floor": SHARE,
}
_BUDGET = {
    "budget": Checked(
        tuple({"macs": bad} for bad in POSITIVE.bad), "`budget['macs']` is"
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
    "dropout": BELOW_ONE,
    "name": NAME,
}
_VERBOSE = {"verbose": choice(-1, 3, 0.5)}
# JSON holds them, which has no infinity.
_RUN_SETTINGS = {
    "data": FILE,
    "batch_size": whole(1),
    "width": whole(1),
    "learning_rate": POSITIVE,
    **{name: _SEARCH[name] for name in ("kernel_set", "draw", "aggregation")},
    "candidate_kernels": _SEARCH["candidate_kernels"],
    "lasso": NOT_NEGATIVE,
    **{name: _DERIVE[name] for name in ("rule", "score", "channel_multiple")},
    "budget": number(0, 1.1),
    "seed": whole(0),
    "variants": Checked((("tpyo",), ())),
}

_CHOSEN = {n: _DERIVE[n] for n in ("channel_multiple", "floor")}
_RECONSTRUCT = {
    "kernel_set": choice(),
    "output": choice("softmx"),
    "cases": whole(1),
    "seed": SEED,
    **_VERBOSE,
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
        "momentum": SHARE,
        "epsilon": NOT_NEGATIVE,
    },
    "Configuration.from_json": {"text": Free("JSON; damage is told")},
    "Configuration.preset": {"name": choice()},
    "CostLasso": {
        "relative_costs": Checked(
            tuple([bad] for bad in NOT_NEGATIVE.bad),
            "`relative_costs[0]` is expected",
        ),
        "strength": NOT_NEGATIVE,
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
    "Reconstruction.derive": {**_CHOSEN, **_BUDGET, "rounds": whole(1)},
    "Reconstruction.pareto": {
        **_CHOSEN,
        "cost": choice("latncy"),
        "points": whole(2),
    },
    "SearchSpecification": {
        **_SEARCH,
        **_LASSO,
    },
    "SearchSpecification.lasso_of": {"name": LAYER},
    "SubKernel": dict.fromkeys(
        ("depth", "height", "width"), Free("a tuple; what reads it checks it")
    ),
    "SubKernel.parse": {"kernel": choice(says="A sub-kernel is expected")},
    "Supernet": {
        "draw": choice("random"),
        "seed": whole(0),
        "memory_limit": POSITIVE,
    },
    "Supernet.fit": dict.fromkeys(
        (
            "epochs",
            "initial_epoch",
            "validation_freq",
            "validation_split",
            "verbose",
        ),
        KERAS,
    ),
    "autotune": {
        "phases": Checked((("infer",), "inference")),
        "repeats": whole(1),
    },
    "count_cost": {"convention": choice("Plain"), "path": choice("x")},
    "derive": {**_DERIVE, **_BUDGET},
    "inflate": {"rule": choice("Sum"), "axis": whole(0, 2)},
    "inflate_kernel": {"rule": choice("Sum"), "axis": whole(0, 2)},
    "kernel_set": {"kernels": choice(says="`kernel_set` is expected")},
    "measure_latency": {
        "phases": Checked((("infer",), "inference")),
        "repeats": whole(1),
    },
    "pareto": {**_DERIVE, "cost": choice("latncy"), "points": whole(2)},
    "random_configuration": {"kernel_set": choice(), **_BUDGET, "seed": SEED},
    "reconstruct": {
        **_RECONSTRUCT,
        "positions": whole(1),
        "cost": choice("latncy"),
    },
    "replace": {"weights": choice("inherited")},
    "shrink": {
        **_RECONSTRUCT,
        **_CHOSEN,
        **_BUDGET,
        "rounds": whole(1),
    },
    "to_supernet": {
        **_SEARCH,
        **_LASSO,
        "seed": SEED,
        "weights": choice("inherited"),
    },
    "uniform_configuration": {"kernel_set": choice()},
    # Layers and models.
    "PathNormalization": {
        "normalization": choice("layer"),
        "momentum": SHARE,
        "epsilon": NOT_NEGATIVE,
        "axis": whole(),
    },
    "TrilinearUpSampling3D": {"size": whole(1), "data_format": choice()},
    "c2fnas": _MODEL,
    "load_published": {"dropout": BELOW_ONE},
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
    "PathSamples.correlation": {"strength": NOT_NEGATIVE},
    "PathSamples.scores": {"strength": NOT_NEGATIVE},
    "sample_paths": {"samples": whole(10), "seed": whole(0)},
    "DecayedSGD": {
        "learning_rate": NOT_NEGATIVE,
        "momentum": SHARE,
        "decay": NOT_NEGATIVE,
        "bias_rate": NOT_NEGATIVE,
        "name": NAME,
    },
    "DiceCrossEntropy": {
        "smooth": NOT_NEGATIVE,
        "dice_weight": NOT_NEGATIVE,
        "cross_entropy_weight": NOT_NEGATIVE,
        "name": NAME,
    },
    "DiceScore": {"name": NAME},
    "WarmUp": {"start": NOT_NEGATIVE, "steps": whole(1)},
    "video_schedule": {
        "steps_per_epoch": whole(1),
        "learning_rate": POSITIVE,
        "epochs": whole(1),
    },
    "volume_schedule": {"steps": whole(1), "learning_rate": POSITIVE},
    "compile_segmentation": {"steps": whole(1), "learning_rate": POSITIVE},
    "compile_video": {
        "steps_per_epoch": whole(1),
        "epochs": whole(1),
        "learning_rate": POSITIVE,
        "decay": NOT_NEGATIVE,
        "clip_norm": POSITIVE,
    },
    "fit_resumable": {
        "steps": whole(1),
        "steps_per_epoch": whole(1),
        **_VERBOSE,
    },
    **DATA_ARGUMENTS,
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
        "foreground": SHARE,
        "overlap": BELOW_ONE,
        "tolerance": NOT_NEGATIVE,
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
        "decay": NOT_NEGATIVE,
        "dropout": BELOW_ONE,
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
    "load_network": {"variant": MEMBER},
}
