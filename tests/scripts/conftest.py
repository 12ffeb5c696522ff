"""Scripts are imported as they are where one of them runs."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def scripts():
    """The folder of the scripts, from which `benchmark`, `benchmarks` and `fetching` can be imported meanwhile."""
    folder = Path(__file__).parents[2] / "scripts"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
