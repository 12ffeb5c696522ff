"""Tables of plain values: how numbers of one column are written."""

import pytest

from seqconv.reports.tables import make_table


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([0.5, 0.25, None], ("0.5000", "0.2500", "–")),
        ([317.04, 1000.0], ("317.0", "1,000.0")),
        ([0.001, 0.0123], ("0.001", "0.0123")),
        ([317.04, 0.6537], ("317", "0.6537")),
        ([317.04, 0.0], ("317.0", "0.0")),
    ],
    ids=["fractions", "large", "small", "both", "zero"],
)
def test_no_digit_that_counts_is_lost(values, written):
    assert tuple(cell for (cell,) in make_table(["score"], [[value] for value in values]).texts) == written
