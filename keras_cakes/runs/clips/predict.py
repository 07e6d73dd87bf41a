"""Classifies new clips with a network of a run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_cakes._errors import choose
from keras_cakes.data.clips.clip import Clip
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.decoding.decoding import probe_video
from keras_cakes.data.clips.decoding.frame_folders import count_frames
from keras_cakes.data.clips.video_clips import VideoClips
from keras_cakes.evaluation.clips.clip_predictions import predict_clips
from keras_cakes.runs.clips.data import load_video_data
from keras_cakes.runs.clips.data import seen_settings
from keras_cakes.runs.clips.run import views_of
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.records import read_prediction
from keras_cakes.runs.resume import load_network


def predict_clip(
    folder: str | os.PathLike[str],
    variant: str,
    *,
    clip: str | os.PathLike[str],
) -> list[tuple[str, float]]:
    """Classifies a clip.

    Frames and crops are taken as in evaluation; `prediction.json` in the run
    folder says how. Runs of earlier versions have no such file. It is then
    made once, from the data of the run.

    Args:
        folder: The run folder.
        variant: Name of one of its networks.
        clip: A video file, or a folder of frames.

    Returns:
        Name and probability of every class, the most probable first.

    Raises:
        DataError: If the clip is not readable.
        RunError: If there is no such network, or the run folder does not say
            how to read the clip.
    """
    choose("variant", variant, VideoSettings.known_variants())
    folder, clip = Path(folder), Path(clip)
    network = load_network(folder, variant)
    settings, classes, template, first_frame = read_prediction(
        folder,
        network,
        parse=_parse,
        kind=VideoSettings,
        load=load_video_data,
    )
    frames = (
        count_frames(clip, template, first_frame=first_frame)
        if clip.is_dir()
        else probe_video(clip).frames
    )
    known = Clip(clip.name, clip, frames, None)
    dataset = ClipDataset(clip.name, (known,), classes, template, first_frame)
    source = VideoClips(dataset, settings.channels)
    answer = predict_clips(network, views_of(source, settings))
    ranked = zip(classes, answer.probabilities[0].tolist(), strict=True)
    return sorted(ranked, key=lambda pair: -pair[1])


def _parse(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        seen_settings(record),
        tuple(record["classes"]),
        record["template"],
        record["first_frame"],
    )
