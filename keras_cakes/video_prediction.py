"""Classes of new clips by a network of a finished run."""

import dataclasses
import os
from pathlib import Path

from keras_cakes._errors import choose
from keras_cakes.data.video import Clip
from keras_cakes.data.video import ClipDataset
from keras_cakes.data.video import VideoClips
from keras_cakes.data.video import probe_video
from keras_cakes.data.video.frame_folders import count_frames
from keras_cakes.evaluation import predict_clips
from keras_cakes.runs import read_json
from keras_cakes.search_run import load_network
from keras_cakes.settings import read_settings
from keras_cakes.video import views_of
from keras_cakes.video_settings import VideoSettings


def predict_clip(
    folder: str | os.PathLike[str],
    variant: str,
    clip: str | os.PathLike[str],
) -> list[tuple[str, float]]:
    """Classifies a clip.

    Args:
        folder: The run folder.
        variant: Which of its networks.
        clip: A video file, or a folder of frames.

    Returns:
        Name and probability of every class, the most probable first.

    Raises:
        DataError: If the clip is not readable.
        RunError: If there is no such network.
    """
    choose("variant", variant, VideoSettings.known_variants())
    folder, clip = Path(folder), Path(clip)
    network = load_network(folder, variant)
    settings = read_settings(VideoSettings, folder / "settings.json")
    names = folder / "networks" / variant / "classes.json"
    classes = tuple(read_json(names))
    dataset = ClipDataset(clip.name, (), classes)
    frames = (
        count_frames(clip, dataset.template, dataset.first_frame)
        if clip.is_dir()
        else probe_video(clip).frames
    )
    known = Clip(clip.name, clip, frames, None)
    source = VideoClips(
        dataclasses.replace(dataset, clips=(known,)), settings.channels
    )
    answer = predict_clips(network, views_of(source, settings))
    ranked = zip(classes, answer.probabilities[0].tolist(), strict=True)
    return sorted(ranked, key=lambda pair: -pair[1])
