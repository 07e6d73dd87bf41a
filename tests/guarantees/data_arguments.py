"""Lists string and number arguments: data, evaluation and figures."""

from tests.guarantees.kinds import BELOW_ONE
from tests.guarantees.kinds import FILE
from tests.guarantees.kinds import INDEX
from tests.guarantees.kinds import MEMBER
from tests.guarantees.kinds import NAME
from tests.guarantees.kinds import NOT_NEGATIVE
from tests.guarantees.kinds import POSITIVE
from tests.guarantees.kinds import SEED
from tests.guarantees.kinds import SHARE
from tests.guarantees.kinds import TEXT
from tests.guarantees.kinds import Checked
from tests.guarantees.kinds import Free
from tests.guarantees.kinds import choice
from tests.guarantees.kinds import number
from tests.guarantees.kinds import whole

_BATCHES = {"batch_size": whole(1), "seed": whole(), "start_step": whole(0)}
_LIST = {
    "template": choice("{}{}"),
    "first_frame": whole(0),
    "min_frames": whole(1),
    "name": NAME,
    "on_error": choice("Skip"),
}
_WINDOW = {
    "overlap": BELOW_ONE,
    "batch_size": whole(1),
    "weighting": choice("gauss"),
    "stride": whole(1),
}
_SURFACE = {"classes": whole(1), "tolerance": NOT_NEGATIVE}
_CHANNELS = {"channels": whole(1, 3)}

DATA_ARGUMENTS: dict[str, dict[str, Checked | Free]] = {
    # Volumes.
    "Augmentation": {
        "angle": number(-1, 181),
        "scale": number(-0.1, 0.95),
        "elastic": NOT_NEGATIVE,
        "shift": NOT_NEGATIVE,
        "contrast": SHARE,
        "gamma": number(-1, 11),
        "noise": NOT_NEGATIVE,
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
        "timeout": POSITIVE,
        "wait": NOT_NEGATIVE,
    },
    "patches": {
        **_BATCHES,
        "steps": whole(0),
        "foreground": SHARE,
        "patches_per_case": whole(1),
    },
    "phantom_volumes": {"cases": whole(1), "seed": SEED},
    "planted_volumes": {
        "cases": whole(1),
        "axis": whole(0, 2),
        "layout": choice("Balls"),
        "seed": SEED,
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
    "FrameSource": _CHANNELS,
    "FrameSource.fail": {"clip": INDEX},
    "FrameSource.fingerprint": {"clip": INDEX},
    "FrameSource.frames_of": {"clip": INDEX},
    "VideoClips.fingerprint": {"clip": INDEX},
    "VideoClips.frames_of": {"clip": INDEX},
    "ClipAugmentation": {
        "crop": choice("Random"),
        "short_side": whole(1),
        "brightness": SHARE,
        "contrast": SHARE,
        "saturation": SHARE,
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
        "seed": SEED,
    },
    "planted_clips": {"clips": whole(1), "kind": choice("Time"), "seed": SEED},
    "read_class_folders": _LIST,
    "read_clip_list": {**_LIST, "split": MEMBER},
    "read_video": _CHANNELS,
    "read_something_something": {
        "version": choice(3, "1"),
        "split": choice("test"),
        "min_frames": whole(1),
        "on_error": choice("Skip"),
    },
    "write_something_something_lists": {
        "version": choice(3, "1"),
        "min_frames": whole(1),
    },
    "write_phantom_clips": {
        "clips": whole(1),
        "events": choice("Motion"),
        "seed": SEED,
    },
    "write_video": {"rate": whole(1)},
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
        "tolerance": NOT_NEGATIVE,
    },
    "seed_interval": {"resamples": whole(1)},
    "plot_composition": {"title": TEXT},
    "plot_confusion": {"title": TEXT},
    "plot_contours": {"plane": whole(0, 2)},
    "plot_paired_scores": {
        "column": choice(says="`scores_a` is expected"),
        "label": TEXT,
    },
    "plot_planes": {"name": TEXT},
    "plot_shrinking": {"original": number(), "label": TEXT},
    "plot_tradeoff": {
        "score": choice(says="`rows` is expected"),
        "label": TEXT,
    },
}
