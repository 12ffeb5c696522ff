"""Damaged manifests, `.ts` files, arrays and configs: read, or refused by an error of the project, never by another."""

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.mutations import mutate

from seqconv.config import load_config
from seqconv.data.events.annotations import read_annotations
from seqconv.data.events.frame_labels import read_timelines
from seqconv.data.manifest import load_manifest
from seqconv.errors import ConfigError, ManifestError, SeqconvError
from seqconv.features import load_features
from seqconv.features.cases import name_form, read_cases
from seqconv.features.ts import read_ts
from seqconv.tasks.settings import TargetConfig

ROOT = Path(__file__).parents[2]
PROMPTS = ROOT / "data" / "prompts" / "manifest.csv"
VOWELS = ROOT / "data" / "japanese_vowels" / "JapaneseVowels_TEST.ts"
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
NUM_FILES = int(os.environ.get("SEQCONV_FUZZ_FILES", "300"))
SEED = int(os.environ.get("SEQCONV_FUZZ_SEED", "0"))

Reader = Callable[[Path], object]


def head(path: Path, num_lines: int) -> bytes:
    return b"".join(path.read_bytes().splitlines(keepends=True)[:num_lines])


def as_file(frame: pd.DataFrame, path: Path) -> bytes:
    """The bytes of a table written in the format that the suffix names."""
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path.read_bytes()


def array_files(folder: Path) -> dict[str, bytes]:
    values = np.random.default_rng(0).standard_normal((20, 3))
    np.save(folder / "a.npy", values)
    np.save(folder / "b.npy", np.asfortranarray(values.astype(">f4")))
    np.savez(folder / "a.npz", x=values)
    np.savez_compressed(folder / "b.npz", x=np.zeros((50, 4)))
    return {name: (folder / name).read_bytes() for name in ("a.npy", "b.npy", "a.npz", "b.npz")}


def read_events(path: Path) -> object:
    frame = pd.DataFrame({"id": ["a", "b"], "path": ["a.wav", "b.wav"], "start": [np.nan] * 2, "end": [np.nan] * 2})
    annotations = read_annotations(frame, path, "negative")[1]
    return read_timelines(frame, TargetConfig(task="multilabel"), 0.01, annotations).frame_labels([200, 300])


def cases(folder: Path) -> dict[str, tuple[list[bytes], str, Reader]]:
    """Originals, suffix and reader by what they are."""
    table = pd.read_csv(PROMPTS, dtype=str, keep_default_na=False).head(12)
    events = pd.DataFrame({"id": ["a", "b"], "start": [0.1, 0.5], "end": [0.7, 1.5], "label": ["x", "y"]})
    for path in table["path"]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    arrays = array_files(folder)
    precomputed = {"kind": "precomputed"}
    return {
        "csv": ([head(PROMPTS, 12)], ".csv", load_manifest),
        "tsv": ([head(PROMPTS, 12).replace(b",", b"\t")], ".tsv", load_manifest),
        "jsonl": ([as_file(table, folder / "a.jsonl")], ".jsonl", load_manifest),
        "parquet": ([as_file(table, folder / "a.parquet")], ".parquet", load_manifest),
        "events": ([as_file(events, folder / "e.jsonl")], ".jsonl", read_events),
        "ts": ([head(VOWELS, 30)], ".ts", read_ts),
        "npy": ([arrays["a.npy"], arrays["b.npy"]], ".npy", lambda path: load_features(path, precomputed)),
        "npz": ([arrays["a.npz"], arrays["b.npz"]], ".npz", lambda path: load_features(path, precomputed)),
        "features": ([b"x,y\n1,2\n3,4.5\n1e3,-2\n" * 3], ".csv", lambda path: load_features(path, precomputed)),
        "yaml": ([path.read_bytes() for path in CONFIGS], ".yaml", load_config),
        "arff": ([ARFF, ARFF_OF_ONE], ".arff", lambda path: read_all(path, "")),
        "ucr": (
            [b"2\t-0.5\t1.5\t2\tNaN\n1\t0.25\t3\tNaN\tNaN\n2\t1\t2\t3\t4\n"],
            ".tsv",
            lambda path: read_all(path, UCR),
        ),
        "rows": ([LONG, LONG.replace(b"\n", b";\n")], ".csv", lambda path: read_all(path, ROWS)),
    }


def read_all(path: Path, form: str) -> object:
    """All sequences of a file, with gaps filled."""
    settings = {"kind": "precomputed", "missing": "mask"}
    return [load_features(path, settings, case=case, form=form) for case in range(len(read_cases(path, form)))]


ARFF = (
    b"@relation toy\n@attribute all relational\n@attribute t0 numeric\n@end all\n@attribute how {a,b}\n@data\n"
    b"'1,2,3\\n4,5,6',a\n\"7,8\\n9,?\",b\n"
)
ARFF_OF_ONE = (
    b"% one\n@relation toy\n@attribute t0 numeric\n@attribute t1 real\n@attribute how {a,b}\n@data\n1,2.5,a\n3,?,b\n"
)
LONG = b"user,what,time,x\n" + b"".join(
    b"%d,%d,%d,0.%d\n" % (row // 6, row // 3 % 2, row, row % 7) for row in range(18)
)
UCR = name_form("ucr", {})
ROWS = name_form("rows", {"by": ["user", "what"], "order": "time"})
KINDS = ("csv", "tsv", "jsonl", "parquet", "events", "ts", "npy", "npz", "features", "yaml", "arff", "ucr", "rows")


# Where in the file, or that there is no place in it: nothing is there, or none of it can be read.
TABLE = r"(line|row) \d+|column '|no column|in the first row|there are columns, but no row|it is empty|split: .* ids: '"
ARRAY = r"not a plain \.np[yz] (array|archive) \(.+\)$|at frame \d+, feature \d+|has shape|holds .+ values"
PLACES = {
    "csv": TABLE,
    "tsv": TABLE,
    "jsonl": TABLE,
    "events": TABLE,
    "parquet": rf"{TABLE}|it is not a whole Parquet file: \w+",
    "ts": r"line \d+|is empty: a \.ts file has|holds no case: nothing follows @data|@\w+",
    "npy": ARRAY,
    "npz": rf"{ARRAY}|features\.key",
    "features": r"(line|row) \d+|has no numeric column|has shape|it is empty|in the first row",
    "arff": r"line \d+|has no @attribute|has no line '@data'|holds no case|are not numbers",
    "ucr": r"line \d+|holds no case",
    "rows": r"(line|row) \d+|in the first row|but no row|it is empty|lacks '|has numbers that change",
    # The line, or each key with what was expected of it.
    "yaml": r"^\S+(, line \d+: .|: \d+ problems\n  .+: .|: .+: .)|are nested hundreds deep|its aliases",
}
BINARY = ("parquet", "npy", "npz")
NASTY = (
    "", "1e999", "-1", "0", "nan", "-inf", "[", "]", "{", "null", "~", "{}", "[]", "9" * 400, "1." * 9, "\0", "true",
    '"', "'", ":", ": ", ",", "\t", "\n", "\r", "é", "\ud7ff", "2001-01-01", "12:30:00", "0x10", "1_000",
    "!!python/none", "*a", "&a",
    "[" * 3000, "{a: " * 2000, "- " * 2000, "! x", "? x", "%YAML 1.1", "---", "...", "<<", "| ", "null: 1", "[1, 2]: 3",
)  # fmt: skip


def swap_tokens(data: bytes, rng: np.random.Generator) -> bytes:
    """Some words or numbers replaced by what readers stumble over."""
    parts = re.split(r"([\w.-]+)", data.decode())
    for _ in range(rng.integers(1, 4)):
        parts[rng.integers(len(parts))] = NASTY[rng.integers(len(NASTY))]
    return "".join(parts).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_by_an_error_of_ours(tmp_path, kind):
    originals, suffix, read = cases(tmp_path)[kind]
    refused = 0
    for number in range(NUM_FILES if kind not in ("yaml", "parquet") else NUM_FILES // 2):
        rng = np.random.default_rng([SEED, KINDS.index(kind), number])
        original = originals[rng.integers(len(originals))]
        if number % 2 and kind not in BINARY:
            fault, data = "token", swap_tokens(original, rng)
        else:
            fault, data = mutate(original, originals[rng.integers(len(originals))], rng)
        path = tmp_path / f"{number}_{fault}{suffix}"
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                # A damaged name of a column is told so.
                warnings.simplefilter("ignore", UserWarning)
                read(path)
        except SeqconvError as error:
            refused += 1
            reason = str(error)
            assert re.search(PLACES[kind], reason, re.DOTALL), f"{kind}: {reason}"
        except Exception as error:
            pytest.fail(f"{path}: {type(error).__name__}: {error}\n{data[:300]!r}")
        else:
            reason = str(path)
        assert str(path) in reason
        path.unlink()
    assert refused > 10


@pytest.mark.parametrize(
    ("suffix", "data", "reader", "place"),
    [
        (".csv", b"id,path\na,a.wav\nb,\xe9.wav\n", load_manifest, "not UTF-8 text: line 3"),
        (".csv", b"id,path,weight\na,a.wav,1\nb,a.wav,x\n", load_manifest, r"'weight' .*'x': row 2 \('b'\)"),
        (".csv", b"path,split\na.wav,train\nb.wav,tset\n", load_manifest, "'tset' in column 'split'.*row 2"),
        (".csv", b"path\na.wav\nb.wav\n", load_manifest, r"column 'path' are missing.*row 2 \('b\.wav'\)"),
        (".jsonl", b'{"path": "a.wav"}\n{"path": {}}\n', load_manifest, "line 2, 'path'"),
        (".ts", b"@classLabel true a\n@data\n1,2:a\n1,\xff:a\n", read_ts, "it is not UTF-8 text: line 4"),
        (".ts", b"@classLabel true a\n@data\n1,2:a\n1,x:a\n", read_ts, "line 4, dimension 1: 'x'"),
        (".yaml", b"seed: 1\nname: \xff\n", load_config, "line 2: it is not UTF-8"),
        (".yaml", b"seed: 1\nname: a\x00b\n", load_config, "line 2: unacceptable character #x0000"),
        (".yaml", b"training:\n  epochs: x\n", load_config, r"training\.epochs: expected a whole number, got 'x'"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_place(tmp_path, suffix, data, reader, place):
    (tmp_path / "a.wav").touch()
    (tmp_path / f"x{suffix}").write_bytes(data)
    with pytest.raises(SeqconvError, match=rf"(?s)x{re.escape(suffix)}.*{place}"):
        reader(tmp_path / f"x{suffix}")


def test_one_word_among_numbers_does_not_leave_out_its_column(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("time,a,b\nnoon,1,2\ndusk,3,oops\ndawn,5,6\n")
    with pytest.raises(
        ManifestError, match=r"x\.csv: 'oops' in row 2 of column 'b' is not a number, but other cells of it"
    ):
        load_features(path, {"kind": "precomputed"})
    with pytest.raises(ManifestError, match=r"'b' of features\.columns hold text, not numbers: 'oops' in row 2"):
        load_features(path, {"kind": "precomputed", "columns": ["a", "b"]})
    # A column of words alone is none of the features.
    path.write_text("time,a,b\nnoon,1,2\ndusk,3,4\n")
    assert load_features(path, {"kind": "precomputed"}).tolist() == [[1, 2], [3, 4]]


def test_yaml_makes_no_objects(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("model: {blocks: [{filters: 8}]}\nname: !!python/object/apply:os.system ['touch made']\n")
    with pytest.raises(ConfigError, match=r"x\.yaml, line 2: .*python/object/apply:os\.system"):
        load_config(path)
    assert not (tmp_path / "made").exists()


def test_yaml_that_unfolds_to_billions_is_refused_in_little_memory(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "x.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"x\.yaml: its aliases \(\*name\) unfold to more than"):
        load_config(tmp_path / "x.yaml")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_nothing_is_unpickled(tmp_path, suffix):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "made",)

    values = np.array([[Trap()]], dtype=object)
    (np.save if suffix == ".npy" else np.savez)(tmp_path / f"x{suffix}", values, allow_pickle=True)
    with pytest.raises(ManifestError, match="it holds Python objects, and unpickling them could run any code"):
        load_features(tmp_path / f"x{suffix}", {"kind": "precomputed"})
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("shape", [(10**9, 10**9), (10**12, 1), (21, 3)])
def test_an_array_that_is_shorter_than_its_header_says_is_refused_before_memory_is_taken(tmp_path, shape):
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
        file.write(bytes(20 * 3 * 8))
    with pytest.raises(ManifestError, match=rf"declares float64 of shape \({shape[0]}, .*but only 480 follow"):
        load_features(tmp_path / "x.npy", {"kind": "precomputed"})


def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path):
    import zipfile

    header = tmp_path / "header.npy"
    with header.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (75 << 20, 1)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header.read_bytes() + bytes(300 << 20))
    with pytest.raises(ManifestError, match=r"x\.npz: .*'x\.npy' unpacks from .* to 3145\d+ bytes"):
        load_features(tmp_path / "x.npz", {"kind": "precomputed"})
