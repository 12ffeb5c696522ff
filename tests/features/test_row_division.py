"""The division of rows into sequences, on tables drawn at random."""

from itertools import groupby, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqconv.errors import ManifestError
from seqconv.features.cases.division import RowSettings, divide_rows

TABLES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1, max_size=25)


def divided(table, **settings):
    """The rows of each sequence, or None where it is refused."""
    keys = [key for key, _ in table]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    times = np.array([float(time) for _, time in table])
    given_times = times if "order" in settings else None
    try:
        rows, bounds = divide_rows(
            np.array([numbers[key] for key in keys]),
            given_times,
            RowSettings(by=("key",), **settings),
            [str(key) for key in numbers],
        )
    except ManifestError:
        return None
    return [part.tolist() for part in np.split(rows, bounds[1:-1])]


@given(TABLES)
def test_runs_are_neighbors_with_one_key(table):
    runs = [[row for row, _ in group] for _, group in groupby(enumerate(table), key=lambda item: item[1][0])]
    assert divided(table, sequence="run") == runs
    keys = [[row for row, (other, _) in enumerate(table) if other == key] for key in dict.fromkeys(k for k, _ in table)]
    assert divided(table, sequence="key") == keys
    # Unsaid, both are the same or it is refused.
    assert divided(table) == (runs if runs == keys else None)


@given(TABLES)
def test_rows_come_between_no_others(table):
    found = divided(table, sequence="key", order="time", max_step=1000)
    keys = [key for key, _ in table]
    if found is None:
        # Two pieces of a key, in each of which the time rises, overlap.
        assert any(
            later < earlier
            for key in set(keys)
            for own in [[time for other, time in table if other == key]]
            for place, earlier in enumerate(own)
            for later in own[place + 1 :]
        )
        return
    assert sorted(row for part in found for row in part) == list(range(len(table)))
    for part in found:
        times = [table[row][1] for row in part]
        assert times == sorted(times)
        assert len({keys[row] for row in part}) == 1
        # In the order of the file, wherever rows stand in one piece.
        falls = [place for place in range(1, len(part)) if part[place] < part[place - 1]]
        for piece in np.split(np.array(part), falls):
            assert (np.diff(piece) > 0).all()
    assert len(found) == len(set(keys))


@given(TABLES, st.integers(1, 20))
def test_no_sequence_holds_a_longer_step_or_one_back(table, most):
    found = divided(table, sequence="run", order="time", max_step=most)
    assert [row for part in found for row in part] == list(range(len(table)))
    for part in found:
        steps = np.diff([table[row][1] for row in part])
        assert (steps >= 0).all()
        assert (steps <= most).all()
        assert len({table[row][0] for row in part}) == 1
    for before, after in pairwise(found):
        step = table[after[0]][1] - table[before[-1]][1]
        assert table[after[0]][0] != table[before[-1]][0] or not 0 <= step <= most
