"""The rows that a command reads from another manifest than that of the run."""

import pytest

from seqconv.cli.splits import describe_layout, read_split
from seqconv.config import load_config
from seqconv.data.manifest.collection import CollectionSettings
from seqconv.errors import ManifestError

LAYOUT = {
    "columns": {"label": "genus"},
    "root": "clips",
    "path": "{name}.wav",
    "label_from": "(?P<label>cat|dog)_",
    "split_lists": {"test": "test.txt"},
    "label_names": "names.txt",
    "ignore": {"genus": ["x"]},
    "rows": {"by": ["genus"]},
    "names": ["name", "genus", "more"],
    "separator": "|",
    "comment": "#",
}


def config_with(*keys):
    data = {"manifest": "own.csv", **{key: LAYOUT[key] for key in keys}}
    return load_config({"data": data, "features": {"kind": "precomputed" if "rows" in keys else "log_mel"}})


@pytest.mark.parametrize("key", sorted(set(CollectionSettings.model_fields) - {"manifest"}))
def test_every_key_that_lays_out_a_collection_is_known(key):
    config, error = config_with(key), ManifestError(f"data.{key} does not fit")
    assert describe_layout(error, config).endswith(f"add --set data.{key}=null.")
    assert describe_layout(error, config_with()) == ""


@pytest.mark.parametrize("key", ["columns", "path", "ignore", "rows", "label_from", "split_lists", "label_names"])
def test_a_manifest_laid_out_otherwise_is_told_how_to_read_it(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").touch()
    (tmp_path / "other.csv").write_text("path,label\na.wav,x\n")
    with pytest.raises(ManifestError, match=rf"one that is laid out otherwise, add --set data\.{key}=null\.$"):
        read_split("other.csv", "all", tmp_path, config_with(key))
    # Without it, no key of the run is to blame.
    assert len(read_split("other.csv", "all", tmp_path, config_with()).frame) == 1
