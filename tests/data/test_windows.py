"""Windows and events cut from recordings: where they lie, what labels them, and that nothing is copied."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.data.events.annotations import Annotations
from seqconv.data.events.tables import Events
from seqconv.data.events.window_labels import label_windows
from seqconv.data.leakage import find_leaks, recordings_of
from seqconv.data.segmentation import cut_windows, segment_recordings
from seqconv.data.sequences import Sequences
from seqconv.data.settings import WindowSettings
from seqconv.data.spec import Segmentation
from seqconv.data.windows import WindowedSource, count_covered, cut_frames
from seqconv.errors import ConfigError, ManifestError
from seqconv.prediction.windows import iterate_windows
from seqconv.tasks.settings import TargetConfig

RATE = 10.0
lengths = st.integers(1, 60)


def tapes(*counts, **options):
    """Recordings whose frames count their places."""
    names = [f"tape{number}" for number in range(len(counts))]
    return Sequences([np.arange(count, dtype="float32")[:, None] for count in counts], ids=names, **options)


def events_of(*rows):
    starts, ends, labels = zip(*rows, strict=True) if rows else ((), (), ())
    return Events(np.array(starts, float), np.array(ends, float), tuple(labels))


def annotate(**rows):
    return Annotations({name: events_of(*found) for name, found in rows.items()})


@given(lengths, st.integers(1, 20), st.integers(1, 30))
def test_windows_cover_the_recording_and_end_with_it(length, size, step):
    recording_index, start_frame, counts = cut_frames([length, 5], size, step)
    start_frame, counts = start_frame[recording_index == 0], counts[recording_index == 0]
    assert set(counts) == {min(size, length)}
    assert start_frame[0] == 0
    assert start_frame[-1] + counts[-1] >= length - 1
    assert (np.diff(start_frame) > 0).all()
    assert (start_frame[:-1] == np.arange(len(start_frame) - 1) * step).all()
    covered = np.zeros(length, bool)
    for first, count in zip(start_frame, counts, strict=True):
        covered[first : first + count] = True
    assert covered[:-1].all() or step > size
    assert covered.all() or length > size


@given(st.lists(st.integers(0, 25), min_size=1, max_size=6), st.integers(1, 12), st.integers(1, 15))
def test_windows_of_a_stream_are_those_of_the_whole(pieces, size, step):
    whole = np.arange(sum(pieces), dtype="float32")[:, None]
    cuts = np.split(whole, np.cumsum(pieces)[:-1])
    _, start_frame, counts = cut_frames([len(whole)], size, step)
    found = list(iterate_windows(cuts, size, step))
    if not len(whole):
        assert found == []
        return
    assert [first for first, _ in found] == start_frame.tolist()
    for (_, window), first, count in zip(found, start_frame, counts, strict=True):
        np.testing.assert_array_equal(window, whole[first : first + count])


@given(st.lists(lengths, min_size=1, max_size=4), st.integers(1, 20), st.integers(1, 30), st.data())
def test_frames_in_several_windows_count_once(counts, size, step, data):
    windows = cut_windows(tapes(*counts), size / RATE, step / RATE, frame_rate=RATE)
    chosen = data.draw(st.lists(st.integers(0, len(windows) - 1), min_size=1, unique=True))
    seen = {(windows.ids[index].split("@")[0], frame) for index in chosen for frame in windows[index].ravel()}
    assert count_covered(windows.subset(chosen).features) == len(seen)
    assert count_covered(tapes(*counts).features) == sum(counts)


def test_windows_are_views_and_know_where_they_lie():
    recordings = tapes(25, 4, labels=["rain", "wind"], weights=[1, 2])
    windows = cut_windows(recordings, 1.0, 0.5, frame_rate=RATE)
    assert windows.ids == ["tape0@0", "tape0@0.5", "tape0@1", "tape0@1.5", "tape1@0"]
    assert windows.labels == ["rain"] * 4 + ["wind"]
    assert windows.groups == ["tape0"] * 4 + ["tape1"]
    assert windows.weights.tolist() == [1, 1, 1, 1, 2]
    assert windows.metadata["recording"].tolist() == windows.groups
    assert windows.metadata["end"].tolist() == [1.0, 1.5, 2.0, 2.5, 0.4]
    assert isinstance(windows.features, WindowedSource)
    assert np.shares_memory(windows[1], recordings[0])
    train, test = windows.with_labels(None).split(test=0.4)
    assert not set(train.groups) & set(test.groups)
    assert train.subset([0]).provenance.cut == "windows"


def test_a_part_of_a_file_counts_from_the_beginning_of_the_file():
    frame = pd.DataFrame({"id": ["a", "b"], "start": [3.0, np.nan], "end": [5.0, np.nan]})
    recordings = Sequences([np.zeros((20, 1)), np.zeros((20, 1))], ids=["a", "b"], metadata=frame)
    cutting = Segmentation(WindowSettings(seconds=1.0), "windows", frame_rate=RATE)
    found = segment_recordings(
        recordings,
        cutting,
        TargetConfig(background="none"),
        annotate(a=[(4.0, 5.0, "song"), (9.0, 10.0, "far")], b=[(0.0, 1.0, "song")]),
    )
    assert found.ids == ["a@3", "a@4", "b@0", "b@1"]
    assert found.labels == ["none", "song", "song", "none"]


rows = st.lists(
    st.tuples(st.integers(0, 99), st.integers(1, 40), st.sampled_from(["x", "y", None])), min_size=0, max_size=6
)


@given(rows, st.integers(2, 20), st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from(["classification", "multilabel"]))
def test_labels_of_windows_are_what_overlaps_enough(drawn, size, share, task):
    events = [(first / 10, min(first + count, 100) / 10, label) for first, count, label in sorted(drawn, key=repr)]
    events = events_of(*sorted(events, key=lambda row: row[0]))
    _, start_frame, counts = cut_frames([100], size, size)
    starts, ends = start_frame / 10, (start_frame + counts) / 10
    target = TargetConfig(task=task, background="none" if task == "classification" else None)
    found = label_windows([starts], [ends], [events], target, share)
    for start, end, label in zip(starts, ends, found.labels, strict=True):
        shared = {}
        is_unknown = False
        for begin, stop, name in zip(events.starts, events.ends, events.labels, strict=True):
            common = min(end, stop) - max(start, begin)
            if common > 0 and common >= share * min(end - start, stop - begin) - 1e-6:
                is_unknown |= name is None
                if name is not None:
                    # Events lie on tenths of a second: those in the window, each once.
                    tenths = range(round(max(start, begin) * 10), round(min(end, stop) * 10))
                    shared[name] = shared.get(name, set()) | set(tenths)
        if is_unknown:
            assert label is None
        elif task == "multilabel":
            assert label == sorted(shared)
        elif shared:
            assert len(shared[label]) == max(map(len, shared.values()))
        else:
            assert label == "none"
    if share <= 0.5:
        assert found.num_lost == 0, "side by side, half of it is in some window"


def test_what_was_decided_is_told():
    events = annotate(tape0=[(0.0, 0.6, "a"), (0.6, 1.0, "b"), (1.9, 3.3, "a"), (3.0, 4.0, None)])
    cutting = Segmentation(WindowSettings(seconds=1.0), "windows", frame_rate=RATE)
    frame = pd.DataFrame({"id": ["tape0"]})
    recordings = Sequences(tapes(40).features, ids=["tape0"], metadata=frame)
    windows = segment_recordings(recordings, cutting, TargetConfig(background="-"), events)
    assert windows.labels == ["a", "-", "a"]
    told = windows.notes
    assert told[0] == "1 window holds events of several classes: labeled by the one that fills most of it"
    assert told[1].startswith("1 window holds less of an event than data.windows.min_overlap asks for")
    assert told[-1] == "4 windows, 2 of them labeled by events; 1 left out"
    assert windows.annotations.ends.tolist() == [4.0]


def test_events_between_windows_that_lie_apart_are_told():
    cutting = Segmentation(WindowSettings(seconds=1.0, hop=3.0), "windows", frame_rate=RATE)
    events = annotate(tape0=[(1.2, 1.6, "a"), (2.0, 2.9, "b"), (3.0, 4.0, "c")])
    windows = segment_recordings(tapes(70), cutting, TargetConfig(background="-"), events)
    assert windows.labels == ["-", "c", "-"]
    assert "2 events label no window: raise data.windows.seconds, or lower its hop" in windows.notes


@pytest.mark.parametrize("use", ["windows", "sequences"])
def test_an_event_that_ends_behind_its_recording_is_told(use):
    windows = WindowSettings(seconds=1.0) if use == "windows" else None
    events = annotate(tape0=[(0.0, 1.0, "a")], tape1=[(2.5, 9.1, "b")])
    target = TargetConfig(background="-" if use == "windows" else None)
    found = segment_recordings(tapes(30, 30), Segmentation(windows, use, frame_rate=RATE), target, events)
    assert found.labels[-1] == "b"
    assert "1 event ends after its recording, by up to 6 s: cut" in found.notes


def test_a_window_is_at_least_a_frame():
    with pytest.raises(ConfigError, match=r"data\.windows\.seconds: 0\.04 is shorter than a frame, which is 0\.1 s"):
        cut_windows(tapes(20), 0.04, frame_rate=RATE)
    with pytest.raises(ConfigError, match=r"data\.windows\.hop: 0\.01 is shorter than a frame"):
        cut_windows(tapes(20), 1.0, 0.01, frame_rate=RATE)


def test_windows_without_an_event_can_be_left_out():
    cutting = Segmentation(WindowSettings(seconds=1.0, keep_empty=False), "windows", frame_rate=RATE)
    events = annotate(tape0=[(1.0, 2.0, "a")], tape1=[(0.0, 1.0, "b")])
    windows = segment_recordings(tapes(30, 20), cutting, TargetConfig(), events)
    assert windows.ids == ["tape0@1", "tape1@0"]
    assert windows.annotations is None, "nothing is known of false alarms"
    with pytest.raises(ManifestError, match="no window has a label"):
        segment_recordings(tapes(30), cutting, TargetConfig(), Annotations({}))


def test_each_event_is_a_sequence_of_its_own_length():
    events = annotate(
        tape0=[(0.3, 1.0, "a"), (0.3, 2.5, "b"), (2.0, 2.5, None), (2.91, 2.95, "c")], tape1=[(1.0, 99.0, "a")]
    )
    found = segment_recordings(
        tapes(30, 15), Segmentation(events_as="sequences", frame_rate=RATE), TargetConfig(), events
    )
    assert found.ids == ["tape0@0.3", "tape0@0.3+1", "tape0@2.9", "tape1@1"]
    assert found.labels == ["a", "b", "c", "a"]
    assert found.lengths.tolist() == [7, 22, 1, 5]
    assert found[0].ravel().tolist() == list(range(3, 10))
    told = found.notes
    assert told[0] == "4 events of 2 recordings are the sequences (data.events_as)"
    assert "1 event without a label left out" in told


def test_events_behind_the_end_are_refused():
    cutting = Segmentation(WindowSettings(seconds=1.0), "windows", frame_rate=RATE)
    with pytest.raises(
        ManifestError, match=r"'tape0': 1 of 1 events start after its end at 1\.90 s, the first at 1000 s"
    ):
        segment_recordings(tapes(20), cutting, TargetConfig(background="-"), annotate(tape0=[(1000, 1001, "a")]))


def test_without_a_clock_nothing_can_be_cut():
    with pytest.raises(ConfigError, match=r"do not say how many seconds a frame is\. Set features\.frame_rate"):
        cut_windows(tapes(20), 1.0)


def test_leaks_of_windows_are_those_of_recordings():
    silence, sound = np.zeros((30, 1)), np.random.default_rng(0).normal(size=(30, 1))
    mixed = np.concatenate([sound, silence])
    one = Sequences([mixed], ids=["one"])
    other = Sequences([np.concatenate([sound + 1, silence])], ids=["other"])
    copy = Sequences([mixed], ids=["copy"])
    parts = [cut_windows(data, 1.0, frame_rate=RATE) for data in (one, other, copy)]
    assert find_leaks({"train": parts[0], "test": parts[1]}) == [], "silence is alike everywhere"
    (leak,) = find_leaks({"train": parts[0], "test": parts[2]})
    assert (leak.kind, leak.ids) == ("content", ("one", "copy"))
    assert recordings_of(parts[0].subset([2, 4])).ids == ["one"]
    assert recordings_of(one) is one
