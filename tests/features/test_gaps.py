"""Gaps in precomputed features, and rows at irregular times: lines between values, an error, or a mask."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.errors import ConfigError, ManifestError
from seqconv.features import as_settings, load_features, open_features
from seqconv.features.gaps import fill_gaps, resample
from seqconv.features.store import build_store

LINES = np.stack([np.arange(12.0), 3 - 2 * np.arange(12.0)], axis=1)


def read(path: Path, **settings: object) -> np.ndarray:
    return load_features(path, {"kind": "precomputed", **settings})


def with_gaps(folder: Path, suffix: str) -> Path:
    """Two straight lines of 12 frames, with gaps of 2 and 1 frames."""
    values = LINES.copy()
    values[3:5, 0] = values[7, 1] = np.nan
    if suffix == ".csv":
        pd.DataFrame(values, columns=["x", "y"]).to_csv(folder / "a.csv", index=False)
    else:
        np.save(folder / "a.npy", values)
    return folder / f"a{suffix}"


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_gaps_are_filled_masked_or_refused(tmp_path, suffix):
    path = with_gaps(tmp_path, suffix)
    np.testing.assert_allclose(read(path, missing="interpolate", max_gap=2), LINES)
    masked = read(path, missing="mask")
    np.testing.assert_allclose(masked[:, :2], LINES)
    assert np.flatnonzero(masked[:, 2]).tolist() == [3, 4, 7]
    name = "column 'x'" if suffix == ".csv" else "feature 0"
    with pytest.raises(
        ManifestError, match=rf"a\{suffix}: {name} has no value in 2 rows from row 4 on, and features.max_gap is 1\."
    ):
        read(path, missing="interpolate", max_gap=1)
    pieces = open_features(path, {"kind": "precomputed", "missing": "interpolate", "max_gap": 2}, piece_frames=4)
    np.testing.assert_allclose(np.concatenate(list(pieces)), LINES, err_msg="a gap across pieces")


def test_at_the_ends_the_nearest_value_counts_and_so_does_the_limit():
    values = [[np.nan], [1.0], [2.0], [np.nan], [np.nan]]
    assert fill_gaps(values, max_gap=2).ravel().tolist() == [1, 1, 2, 2, 2]
    with pytest.raises(ManifestError, match="feature 0 has no value in 2 rows from row 4 on"):
        fill_gaps(values, max_gap=1)
    with pytest.raises(ManifestError, match="column 'x' has no value at all"):
        fill_gaps([[np.nan], [np.nan]], max_gap=5, names=["x"])
    assert fill_gaps([[np.nan, 1.0]], max_gap=None, mask=True).tolist() == [[0, 1, 1]]


@given(st.lists(st.floats(0.01, 0.3), min_size=1, max_size=30), st.sampled_from([4.0, 10.0, 33.0]))
def test_a_line_stays_a_line_at_any_steps_and_rate(steps, rate):
    times = 100 + np.cumsum([0.0, *steps])
    values = np.stack([5 * times, -times], axis=1)
    frames = resample(values, times, rate, max_gap=0.3)
    expected = times[0] + np.arange(len(frames)) / rate
    np.testing.assert_allclose(frames, np.stack([5 * expected, -expected], axis=1))
    assert expected[-1] <= times[-1] + 1e-6 < expected[-1] + 1 / rate + 2e-6


def clocked(folder: Path, times: object, name: str = "time") -> Path:
    pd.DataFrame({name: times, "x": np.arange(len(times)) ** 2}).to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


CLOCK = {"clock": "time", "resample": 2.0, "max_gap": 1.0}


@pytest.mark.parametrize(
    "times", [[5.0, 5.5, 6.5], ["2024-05-01T23:59:59Z", "2024-05-01T23:59:59.5Z", "2024-05-02T00:00:00.500Z"]]
)
def test_rows_at_irregular_times_become_frames(tmp_path, times):
    path = clocked(tmp_path, times)
    np.testing.assert_allclose(read(path, **CLOCK).ravel(), [0, 1, 2.5, 4])
    pd.read_csv(path).astype({"time": "datetime64[ns, UTC]" if isinstance(times[0], str) else float}).to_parquet(
        tmp_path / "a.parquet"
    )
    np.testing.assert_allclose(read(tmp_path / "a.parquet", **CLOCK).ravel(), [0, 1, 2.5, 4])
    assert as_settings({"kind": "precomputed", **CLOCK}).seconds_per_frame == 0.5


def test_long_gaps_of_a_clock_are_refused_or_masked(tmp_path):
    path = clocked(tmp_path, [0.0, 0.5, 2.0, 2.5])
    with pytest.raises(
        ManifestError, match=r"column 'x' has no value between 0\.5 and 2 s, longer than features\.max_gap, 1 s"
    ):
        read(path, **CLOCK)
    assert read(path, **CLOCK, missing="mask")[:, 1].tolist() == [0, 0, 1, 1, 0, 0]
    path.write_text("time,x,y\n0,1,7\n0.5,,\n1,3,\n1.5,4,10\n")
    with pytest.raises(ManifestError, match="3 cells of 'x', 'y' are empty or not a number, the first in row 2"):
        read(path, **CLOCK)
    interpolated = read(path, **CLOCK | {"max_gap": 1.5}, missing="interpolate")
    np.testing.assert_allclose(interpolated, [[1, 7], [2, 8], [3, 9], [4, 10]])
    with pytest.raises(ManifestError, match=r"column 'y' has no value between 0 and 1\.5 s"):
        read(path, **CLOCK, missing="interpolate")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.0, 0.5, 0.5], r"the time in row 3 is 0\.5, but times must rise from row to row"),
        ([0.0, np.nan, 0.5], "the time in row 2 is nan, but times must rise"),
        ([0.0, 5000.0, 10000.0], r"3 rows over 10000 s would become 20,001 frames .* Is features\.clock in seconds"),
        (["1.2.2024", "2.2.2024"], "'1.2.2024' in row 1 of column 'time' is neither a number nor a date as ISO 8601"),
        (["0,5", "0,6"], "'0,5' in row 1 of column 'time' is text, and not a number"),
    ],
)
def test_clocks_that_cannot_be_are_refused(tmp_path, times, message):
    with pytest.raises(ManifestError, match=message):
        read(clocked(tmp_path, times), **CLOCK)


def test_a_clock_that_is_not_there(tmp_path):
    with pytest.raises(ManifestError, match=r"lacks 'time', which is features\.clock; it has 't', 'x'"):
        read(clocked(tmp_path, [0, 1], "t"), **CLOCK)
    np.save(tmp_path / "a.npy", LINES)
    with pytest.raises(ManifestError, match=r"features\.clock names a column of tables, and this is none"):
        read(tmp_path / "a.npy", **CLOCK)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clock": "t"}, "clock names the column of times, and resample the frames a second: give both"),
        ({"clock": "t", "resample": 5}, "clock needs max_gap, the longest gap in seconds"),
        ({"missing": "interpolate"}, "missing 'interpolate' needs max_gap, the longest gap in frames"),
        ({"missing": "mask", "max_gap": 3}, "max_gap has no effect on missing 'mask'"),
        ({"max_gap": 3}, "max_gap has no effect on missing 'error'"),
        ({**CLOCK, "frame_rate": 3}, "frame_rate is 3, but resample makes 2"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        as_settings({"kind": "precomputed", **settings})


def test_other_settings_make_another_store_and_the_first_ones_none(tmp_path):
    frame = pd.DataFrame({"id": ["a"], "path": [str(with_gaps(tmp_path, ".csv"))]})
    kinds = [{"missing": "interpolate", "max_gap": 2}, {"missing": "interpolate", "max_gap": 3}, {"missing": "mask"}]
    stores = [
        build_store(frame, {"kind": "precomputed", **kind}, cache_dir=tmp_path / "cache", progress=False, num_workers=0)
        for kind in kinds
    ]
    assert len({store.path for store in stores}) == 3
    assert [store.num_features for store in stores] == [2, 2, 3]
