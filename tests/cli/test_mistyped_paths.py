"""A wrong path, key or column is reported before Keras is imported, which takes ten times as long as the check."""

import json
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from seqconv.models import build_model
from seqconv.tasks.target import fit_target

CASES = [
    ("train --config gone.yaml", "no config 'gone.yaml'"),
    ("train --config own.yaml --set data.manifst=x.csv", "did you mean 'manifest'"),
    ("train --config own.yaml --set data.manifest=gone.csv", "gone.csv': there is no such file or folder"),
    ("train --config own.yaml --set data.manifest=lost.csv", "gone.npy"),
    ("train --config own.yaml --set target.column=lable", "there is no target column 'lable'"),
    ("train --config own.yaml --set split.by=speaker", "speaker"),
    ("train --config own.yaml --set evaluation.slices=[mood]", "the manifest has no column 'mood' to slice by"),
    ("train --config own.yaml --set training.init=gone.keras", "there is no model file at"),
    ("train --config own.yaml --run-dir run", "exists and is not empty"),
    ("train --config own.yaml --seeds 2 --set data.manifest=gone.csv", "gone.csv': there is no such file or folder"),
    ("train --resume gone", "it is no folder"),
    ("evaluate --model gone.keras", "there is no model file at 'gone.keras'"),
    ("evaluate --model features", "a folder of a run holds model.keras, and this one none"),
    ("evaluate --model m.csv", "is not a .keras archive"),
    ("evaluate --model zipped.npz", "it is no complete .keras archive"),
    ("evaluate --model run --manifest gone.csv", "gone.csv': there is no such file or folder"),
    ("evaluate --model run --manifest lost.csv", "gone.npy"),
    ("evaluate --model run --slice mood", "--slice: the manifest has no column 'mood' to slice by"),
    ("evaluate --model run --events gone.csv", "the model predicts whole recordings"),
    ("predict --model gone a.npy", "there is no model file at 'gone'"),
    ("predict --model run gone.npy lost.npy", "2 recordings of 2 cannot be read"),
    ("predict --model run empty", "holds no file to predict"),
    ("report gone", "'gone' is no folder"),
    ("compare run gone", "is no folder"),
    ("extract --manifest gone.csv", "gone.csv': there is no such file or folder"),
    ("plan --manifest gone.csv", "gone.csv': there is no such file or folder"),
    ("inspect gone.keras", "there is no model file at 'gone.keras'"),
    ("inspect run --audit --manifest gone.csv", "gone.csv': there is no such file or folder"),
    ("inspect run --recording gone.npy", "--recording gone.npy: there is no such file"),
    ("inspect run --pictures out --before gone.keras", "there is no model file at 'gone.keras'"),
    ("augment --config own.yaml --set augment.spec_mask={} --set data.manifest=gone.csv", "there is no such file"),
    ("tune --config own.yaml --space gone.yaml", "there is no space 'gone.yaml'"),
    ("tune --config own.yaml --space space.yaml --set data.manifest=gone.csv", "there is no such file"),
    ("tune --resume gone", "it is no folder"),
    ("init gone", "there is no such file or folder"),
]
RUN_ALL = """
import contextlib, io, json, sys
from seqconv.cli.main import main
found = []
for line in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = main(line.split())
    heavy = [name for name in ("keras", "tensorflow", "jax", "torch") if name in sys.modules]
    found.append((status, said.getvalue(), heavy))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set, a config and the folder of a run."""
    folder = tmp_path_factory.mktemp("work")
    rows = []
    for number in range(12):
        path = f"features/{number:02}.npy"
        (folder / "features").mkdir(exist_ok=True)
        np.save(folder / path, np.full((9, 3), number, np.float32))
        rows.append({"path": path, "label": "ab"[number % 2]})
    (folder / "empty").mkdir()
    np.savez(folder / "zipped.npz", np.ones(3))
    pd.DataFrame(rows).to_csv(folder / "m.csv", index=False)
    pd.DataFrame([*rows, {"path": "gone.npy", "label": "a"}]).to_csv(folder / "lost.csv", index=False)
    own = "data: {manifest: m.csv}\nfeatures: {kind: precomputed}\nmodel: {blocks: [{filters: 2}]}\n"
    (folder / "own.yaml").write_text(own)
    (folder / "space.yaml").write_text("training.learning_rate: [0.1, 0.2]\n")
    (folder / "run").mkdir()
    (folder / "run" / "config.yaml").write_text(own.replace("m.csv", "../m.csv"))
    target = fit_target("classification", ["a", "b"])
    card = {"target": target.to_dict(), "features": {"kind": "precomputed"}, "label_column": "label"}
    keras.utils.set_random_seed(0)
    build_model({"blocks": [{"filters": 2}]}, num_features=3, num_outputs=2, card=card).save(
        folder / "run" / "model.keras"
    )
    return folder


def test_no_mistyped_path_key_or_column_starts_keras(folder):
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps([line for line, _ in CASES]),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for (line, expected), (status, said, heavy) in zip(CASES, json.loads(done.stdout), strict=True):
        assert (line, status, heavy) == (line, 2, []), said
        assert expected in said, line
        assert "Traceback" not in said


@pytest.mark.parametrize("command", ["evaluate", "predict", "inspect"])
def test_the_folder_of_a_run_stands_for_its_model(folder, command, capsys):
    from seqconv.cli.main import main

    rest = {
        "evaluate": ["--model", "{}", "--split", "all", "--output", str(folder / "scores")],
        "predict": ["--model", "{}", str(folder / "features")],
        "inspect": ["{}"],
    }[command]
    printed = []
    for model in (folder / "run", folder / "run" / "model.keras"):
        assert main([command, *(word.format(model) for word in rest)]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != ""
