"""Notebook displays of runs and evaluations: tables, figures and sound, whole in themselves, text escaped."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.extras import require
from support.training_data import classified, framed, quick
from support.waiting import PATIENCE, wait_until

from seqconv.data.sequences import Sequences
from seqconv.evaluation.hardest import WorstSequences
from seqconv.experiments import train_sweep
from seqconv.training import train

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 24}
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a few prompts."""
    folder = tmp_path_factory.mktemp("audio")
    frame = pd.read_csv(PROMPTS / "manifest.csv", dtype=str, keep_default_na=False)
    chosen = frame[frame["label"].isin(["en", "es"])].groupby(["label", "split"]).head(9)
    chosen = chosen.assign(path=[str(PROMPTS / path) for path in chosen["path"]])
    chosen.assign(label=chosen["label"].replace("es", "<b>es</b>")).to_csv(folder / "manifest.csv", index=False)
    data = {"manifest": str(folder / "manifest.csv"), "num_workers": 0}
    return train(quick(data=data, features=FEATURES, evaluation={"bootstrap": 20}), folder / "run")


def without_sound(html):
    return re.sub(r"data:audio/[^\"]+", "", html)


def test_a_run_shows_curves_and_scores(run):
    html = run._repr_html_()
    assert html.count("<svg") >= 4
    for title in ("<h4>Run</h4>", "Loss", "Validation scores", "By class", "By length", "macro F1", str(run.path.name)):
        assert title in html
    value = run.evaluation.metrics["accuracy"]
    assert f"{value:.4f}" in html


def test_an_evaluation_shows_scores_with_intervals(run):
    html = run.evaluation._repr_html_()
    low, high = run.evaluation.metrics["intervals"]["accuracy"]
    assert f"{low:.4f} to {high:.4f}" in html
    assert "test: 18 sequences" in html
    assert "95% interval" in html


def test_names_stay_text_and_nothing_is_fetched_or_run(run):
    for shown in (run, run.evaluation, run.errors(3)):
        html = shown._repr_html_()
        assert "<b>" not in html
        assert "&lt;b&gt;es" in html
        assert "<script" not in html
        rest = without_sound(html)
        assert not re.search(r"(?:src|href)=\"(?!#)[^\"]", rest)
        assert "@import" not in rest
        assert "url(h" not in rest


def test_two_outputs_of_a_notebook_share_no_id_unless_they_are_the_same(run):
    first = set(re.findall(r' id="([^"]+)"', run._repr_html_()))
    history = run.history.assign(loss=run.history["loss"] * 2)
    other = set(re.findall(r' id="([^"]+)"', type(run)(run.model, history, {}, run.evaluation, run.path)._repr_html_()))
    drawn_alike = set(re.findall(r' id="([^"]+)"', run.evaluation._repr_html_()))
    assert first - drawn_alike
    assert not {name for name in first & other if name not in drawn_alike and "scores" in name and "loss" in name}


def test_the_worst_recordings_have_players(run):
    worst = run.errors(4)
    assert isinstance(worst, pd.DataFrame)
    assert worst["loss"].is_monotonic_decreasing
    assert worst["id"].tolist() == run.evaluation.errors(4)["id"].tolist()
    html = worst._repr_html_()
    assert html.count("<audio controls") == 4
    assert html.count("data:audio/ogg;base64,") == 4
    places = [html.index(f">{name}<") for name in worst["id"]]
    assert places == sorted(places)


def test_what_is_cut_from_the_worst_is_a_plain_table(run):
    worst = run.errors(4)
    assert type(worst) is WorstSequences
    assert type(worst[["id", "loss"]]) is pd.DataFrame
    assert type(worst.head(2)) is pd.DataFrame
    assert list(worst.columns) == list(run.evaluation.predictions.columns)


def test_what_has_no_sound_shows_the_table_alone(tmp_path):
    parts = {"train_data": classified(40), "valid_data": classified(12), "test_data": classified(20)}
    run = train(quick(training={"epochs": 1}), tmp_path / "run", **parts)
    html = run.errors(2)._repr_html_()
    assert "<audio" not in html
    assert html.count("<tr>") == 3
    shutil.rmtree(run.path)
    assert "<svg" in run._repr_html_(), "what is in memory is shown when the folder has gone"
    sweep = train_sweep(quick(training={"epochs": 1}), tmp_path / "sweep", seeds=[0, 1], data=parts)
    assert "deviation" in sweep._repr_html_()


def test_frames_and_numbers_show_themselves(tmp_path):
    frames = {"train_data": framed(20), "valid_data": framed(8, 1), "test_data": framed(8, 2)}
    model = {"blocks": [{"filters": 6, "kernel_size": 3}], "pooling": "frames"}
    run = train(quick(training={"epochs": 1}, model=model), tmp_path / "frames", **frames)
    assert "frames" in run.evaluation._repr_html_()
    assert "error_rate" in run.errors(2)._repr_html_()
    values = Sequences([classified()[i] for i in range(40)], [float(i % 5) for i in range(40)])
    run = train(quick(training={"epochs": 1}, target={"task": "regression"}), tmp_path / "values", train_data=values)
    assert "By length" in run._repr_html_()


@pytest.fixture(scope="module")
def executed(run, tmp_path_factory):
    """A real notebook, run by a real kernel, as the page that its readers see."""
    require("nbformat", "nbclient", "ipykernel")
    import nbclient
    import nbformat

    cells = [
        "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'",
        "from seqconv.evaluation import evaluate\nfrom seqconv.data.sequences import Sequences\n"
        f"data = Sequences.from_manifest({str(run.path.parent / 'manifest.csv')!r}, {FEATURES!r}, split='test')\n"
        f"evaluation = evaluate({str(run.path / 'model.keras')!r}, data, bootstrap=20)",
        "evaluation",
        "evaluation.errors(3)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3").execute()
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    page = tmp_path_factory.mktemp("page") / "notebook.html"
    body = "\n".join(f"<div class='output'>{html}</div>" for html in [run._repr_html_(), *shown])
    page.write_text(f"<!DOCTYPE html><html><head><meta charset='utf-8'></head><body>{body}</body></html>", "utf-8")
    return shown, page


def test_a_real_notebook_shows_them(executed, run):
    shown, _ = executed
    assert len(shown) == 2
    assert "By class" in shown[0]
    assert shown[1].count("<audio controls") == 3
    assert run.errors(3)["id"][0] in shown[1]


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium here: apt-get install chromium chromium-driver")
def test_a_browser_draws_and_plays_it(executed):
    require("selenium")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    arguments = ("--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required")
    for argument in (*arguments, "--disable-dev-shm-usage", "--mute-audio", "--window-size=1000,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.get(executed[1].as_uri())
        assert [entry["message"] for entry in driver.get_log("browser")] == []
        sizes = driver.execute_script(
            "return [...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect())"
            ".map(b => [b.width, b.height])"
        )
        assert len(sizes) >= 7
        assert all(width > 150 and height > 60 for width, height in sizes)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 1000
        ids = driver.execute_script("return [...document.querySelectorAll('svg [id]')].map(e => e.id)")
        assert ids
        audio = "document.querySelectorAll('audio')"
        driver.execute_script(f"{audio}[0].play()")
        wait_until(lambda: driver.execute_script(f"return {audio}[0].currentTime") >= 0.1)
    finally:
        driver.quit()
