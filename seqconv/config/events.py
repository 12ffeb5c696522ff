"""Combinations of sections about events and windows that are impossible."""

from collections.abc import Iterator

from seqconv.data.settings import DataConfig, EventUse, event_use
from seqconv.errors import ConfigError
from seqconv.features import FeatureKind
from seqconv.tasks.settings import TargetConfig


def event_problems(
    data: DataConfig, target: TargetConfig, features: FeatureKind, *, predicts_frames: bool
) -> Iterator[str]:
    """Yield the conflicts between keys about events and windows, the target, the features and the model."""
    use = event_use(data, predicts_frames=predicts_frames)
    yield from _target_problems(target, predicts_frames, use)
    if use is not None and (use == "frames") != predicts_frames:
        unit, other = ("frame", "something other than 'frames'") if predicts_frames else ("sequence", "'frames'")
        yield (
            f"data.events_as: '{use}' does not fit model.pooling, by which the model gives one prediction for each "
            f"{unit}. Set model.pooling to {other}, or remove data.events_as."
        )
    yield from _label_problems(data, target, use)
    yield from _window_problems(data, features.seconds_per_frame, use, predicts_frames=predicts_frames)
    for name, value in (("data.windows", data.windows), ("data.events", data.events)):
        if value is not None and features.seconds_per_frame is None:
            yield (
                f"{name}: these are seconds, but precomputed features do not say how many seconds a frame is. Set "
                "features.frame_rate to the frames in a second."
            )


def _window_problems(
    data: DataConfig, seconds_per_frame: float | None, use: EventUse | None, *, predicts_frames: bool
) -> Iterator[str]:
    """Yield problems of windows: too short, or set by keys that only events use."""
    windows = data.windows
    if windows is None:
        return
    if seconds_per_frame is not None:
        try:
            windows.in_frames(seconds_per_frame)
        except ConfigError as error:
            yield str(error)
    if use != "windows" and windows.min_overlap != type(windows).model_fields["min_overlap"].default:
        what = f"data.events_as '{use}' labels each frame of a window by itself" if use else "there is no data.events"
        yield (
            f"data.windows.min_overlap: {windows.min_overlap:g} says how much of an event labels a window, but {what}. "
            "Remove it."
        )
    if use is None and not windows.keep_empty and not predicts_frames:
        yield (
            "data.windows.keep_empty: false leaves out windows without an event, but there is no data.events to say "
            "which these are. Name the events, or remove it."
        )


def _label_problems(data: DataConfig, target: TargetConfig, use: EventUse | None) -> Iterator[str]:
    if use is None:
        return
    if target.columns is not None:
        yield "target.columns: events name their labels themselves, in data.events. Remove one of them."
    keeps_empty = data.windows is not None and data.windows.keep_empty
    has_class = target.definition.window_label({}, target.background) is not None
    if use == "windows" and not has_class and keeps_empty:
        yield (
            "data.windows.keep_empty: windows without an event are kept, but have no class. Name it in "
            "target.background, or set data.windows.keep_empty to false, or target.task to 'multilabel'."
        )
    if use == "windows" and target.background is not None and not keeps_empty:
        yield (
            f"target.background: '{target.background}' is the class of windows without event, which "
            "data.windows.keep_empty false leaves out. Remove one of them."
        )
    if use == "sequences" and data.unlabeled == "negative":
        yield (
            "data.unlabeled: where events are the sequences, a recording without events has none, and is no example "
            "of anything. Set it to 'ignore', or cut windows with data.windows."
        )


def _target_problems(target: TargetConfig, predicts_frames: bool, use: EventUse | None) -> Iterator[str]:
    """Yield keys for labels of frames, if the model predicts one label for a sequence."""
    defaults = TargetConfig()
    names = () if predicts_frames else ("frame_weight",) if use == "windows" else ("background", "frame_weight")
    for name in names:
        value = getattr(target, name)
        if value != getattr(defaults, name):
            yield (
                f"target.{name}: {value!r} is about labels of frames, but the model gives one prediction for a "
                "sequence. Set model.pooling to 'frames', or remove it."
            )
