"""The report in a real browser: what is drawn can be seen, what can be clicked works, and nothing is fetched."""

import shutil
import time
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
from support.extras import require
from support.training_data import quick
from support.waiting import wait_until

from seqconv.experiments import write_comparison
from seqconv.reports import write_report
from seqconv.training import train

require("selenium")
webdriver = import_module("selenium.webdriver")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium here: apt-get install chromium chromium-driver"
)
PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The report of a run on a few prompts, and a comparison of it with itself, trained longer."""
    folder = tmp_path_factory.mktemp("audio")
    frame = pd.read_csv(PROMPTS / "manifest.csv", dtype=str, keep_default_na=False)
    chosen = frame[frame["label"].isin(["en", "es"])].groupby(["label", "split"]).head(12)
    chosen = chosen.assign(path=[str(PROMPTS / path) for path in chosen["path"]])
    chosen.to_csv(folder / "manifest.csv", index=False)
    features = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 24}
    data = {"manifest": str(folder / "manifest.csv"), "num_workers": 0}
    runs = [folder / "short", folder / "long"]
    for run, epochs in zip(runs, (1, 2), strict=True):
        sections = {"data": data, "features": features, "evaluation": {"bootstrap": 20}, "training": {"epochs": epochs}}
        train(quick(**sections), run)
    return {
        "report": write_report(runs[0]),
        "comparison": write_comparison(runs, folder / "comparison.html"),
    }


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    arguments = ("--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required")
    for argument in (*arguments, "--disable-dev-shm-usage", "--mute-audio", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def show(browser, path, *, scheme="light", width=1280):
    """Open a page as a reader with these settings sees it."""
    scheme_of_reader = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_of_reader)
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(path.as_uri())


def run(browser, script, *arguments):
    """Run a piece of JavaScript; return its result."""
    return browser.execute_script(script, *arguments)


@pytest.mark.parametrize("name", ["report", "comparison"])
def test_a_page_is_small_and_opens_without_complaint_or_request(browser, pages, name):
    assert pages[name].stat().st_size < MOST_BYTES
    browser.get_log("performance")
    show(browser, pages[name])
    # For what it might ask for late; a slower machine only sees less of it.
    time.sleep(0.3)
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    sent = [
        entry["message"]
        for entry in browser.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert sent
    assert [message for message in sent if '"url":"file:' not in message and '"url":"data:' not in message] == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["report", "comparison"])
def test_every_figure_can_be_seen_and_nothing_is_wider_than_the_screen(browser, pages, name, width):
    show(browser, pages[name], width=width)
    sizes = run(browser, "return [...document.querySelectorAll('.art svg')].map(e => {"
                "const b = e.getBoundingClientRect(); return [b.width, b.height, b.left, b.right]})")  # fmt: skip
    assert len(sizes) >= 3
    for drawn_width, height, left, right in sizes:
        assert drawn_width > 150
        assert height > 60
        assert left >= 0
        assert right <= width
    assert run(browser, "return document.documentElement.scrollWidth") <= width


def test_letters_of_figures_are_of_the_page_and_stay_within(browser, pages):
    show(browser, pages["report"])
    fonts = run(browser, "return [...document.querySelectorAll('.art text')].map(e => getComputedStyle(e).fontFamily)")
    assert set(fonts) == {run(browser, "return getComputedStyle(document.body).fontFamily")}
    outside = run(browser, """return [...document.querySelectorAll('.art svg')].flatMap(svg => {
        const frame = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter(text => {
            const box = text.getBoundingClientRect();
            return box.left < frame.left - 4 || box.right > frame.right + 4 || box.bottom > frame.bottom + 4;
        }).map(text => text.textContent)})""")  # fmt: skip
    assert outside == []


def test_the_table_of_predictions_can_be_sorted(browser, pages):
    show(browser, pages["report"])
    rows = "[...document.querySelector('#predictions').tBodies[0].rows]"
    column = f"return {rows}.map(row => row.cells[arguments[0]].dataset.sort)"
    heads = run(browser, "return [...document.querySelectorAll('#predictions th')].map(e => e.textContent)")
    loss, name = heads.index("loss"), heads.index("id")
    worst_first = [float(value) for value in run(browser, column, loss)]
    assert worst_first == sorted(worst_first, reverse=True)
    press = "document.querySelectorAll('#predictions th button')[arguments[0]].click()"
    run(browser, press, loss)
    assert [float(value) for value in run(browser, column, loss)] == sorted(worst_first)
    assert (
        run(browser, "return document.querySelectorAll('#predictions th')[arguments[0]].ariaSort", loss) == "ascending"
    )
    run(browser, press, name)
    ids = run(browser, column, name)
    assert len(ids) == len(worst_first)
    assert ids == run(
        browser, "return [...arguments[0]].sort(new Intl.Collator(undefined, {numeric: true}).compare)", ids
    )
    run(browser, press, name)
    assert run(browser, column, name) == ids[::-1]


def test_the_table_of_predictions_can_be_filtered(browser, pages):
    show(browser, pages["report"])
    shown = """return [...document.querySelectorAll('#predictions tbody tr')].filter(row => row.offsetHeight > 0)
        .map(row => [...row.cells].map(cell => cell.textContent))"""
    from selenium.webdriver.support.select import Select

    run(browser, "document.querySelector('#table .unfold input').click()")
    everything = run(browser, shown)
    assert len(everything) == 24
    search, kind = (browser.find_element("css selector", f"#filter {tag}") for tag in ("input", "select"))
    Select(kind).select_by_value("wrong")
    wrong = run(browser, shown)
    assert 0 < len(wrong) < len(everything)
    assert wrong == [row for row in everything if "wrong" in row]
    assert browser.find_element("css selector", "#filter output").text == f"{len(wrong)} found"
    Select(kind).select_by_value("all")
    search.send_keys("ES/")
    found = run(browser, shown)
    assert 0 < len(found) < len(everything)
    assert found == [row for row in everything if "es/" in " ".join(row)]
    search.clear()
    search.send_keys("no such recording")
    assert run(browser, shown) == []


def visible_rows(browser):
    return run(
        browser, "return [...document.querySelectorAll('#predictions tbody tr')].filter(e => e.offsetHeight).length"
    )


@pytest.mark.parametrize("scripts", [True, False])
def test_a_long_table_is_folded_opens_without_scripts_and_prints_whole(browser, pages, scripts):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    try:
        show(browser, pages["report"], width=390)
        assert visible_rows(browser) == 20
        box = browser.find_element("css selector", "#table .unfold")
        assert box.text == "Show all 24 rows"
        box.click()
        assert visible_rows(browser) == 24
        box.click()
        assert visible_rows(browser) == 20
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert visible_rows(browser) == 24
        assert not box.is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_on_a_phone_the_test_scores_come_first_and_nothing_is_cut_without_a_sign(browser, pages):
    show(browser, pages["report"], width=390)
    heads = run(browser, """const box = document.querySelector('#score-table').parentElement.getBoundingClientRect();
        return [...document.querySelectorAll('#score-table th')].map(e => [e.textContent,
            e.getBoundingClientRect().right <= box.right + 1])""")  # fmt: skip
    assert heads[:2] == [["score", True], ["test", True]]
    # What is wider than its box has a shadow at the edge, which is drawn behind the cells.
    unmarked = run(browser, """const wide = e => e.scrollWidth > e.clientWidth;
        const has_shadow = e => getComputedStyle(e).backgroundAttachment === 'local, local, scroll, scroll';
        return [...document.querySelectorAll('.table')].filter(e => wide(e) && !has_shadow(e)).length""")  # fmt: skip
    assert unmarked == 0
    widths = run(browser, """const field = document.querySelector('#filter input');
        const text = document.createElement('span');
        text.style.font = getComputedStyle(field).font;
        text.textContent = field.placeholder;
        document.body.append(text);
        const width = text.getBoundingClientRect().width;
        text.remove();
        return [width, field.clientWidth - 20]""")  # fmt: skip
    assert 0 < widths[0] <= widths[1]


def test_a_recording_plays_and_a_line_moves_over_its_picture(browser, pages):
    show(browser, pages["report"])
    audio = "document.querySelectorAll('audio')"
    longest = run(
        browser, f"return [...{audio}].map(a => a.duration).reduce((best, d, i, all) => d > all[best] ? i : best, 0)"
    )
    run(browser, f"{audio}[arguments[0]].play()", longest)
    wait_until(lambda: run(browser, f"return {audio}[arguments[0]].currentTime", longest) >= 0.1)
    line = "return document.querySelectorAll('.seek i')[arguments[0]].style"
    assert float(run(browser, line + ".left", longest).rstrip("%")) > 0
    run(browser, f"{audio}[arguments[0]].play()", 1 - min(longest, 1))
    wait_until(lambda: run(browser, f"return {audio}[arguments[0]].paused", longest))


def test_a_click_on_a_picture_goes_there(browser, pages):
    show(browser, pages["report"])
    where = run(browser, """const area = document.querySelector('.seek'), box = area.getBoundingClientRect();
        document.querySelector('audio').addEventListener('seeking', event => window.sought = event.target.currentTime);
        area.dispatchEvent(new MouseEvent('click', {clientX: box.left + box.width / 2, clientY: box.top + 5}));
        return Number(area.dataset.seconds) / 2""")  # fmt: skip
    wait_until(lambda: run(browser, "return window.sought") is not None)
    assert run(browser, "return window.sought") == pytest.approx(where, rel=0.01)


def test_dark_and_light_are_two_pages(browser, pages):
    colors = """const of = selector => getComputedStyle(document.querySelector(selector));
        const drawn = [...document.querySelectorAll('#loss svg path')].map(path => getComputedStyle(path).stroke);
        return [of('body').backgroundColor, of('body').color, of('#loss svg text').fill, drawn.join()]"""
    found = {}
    for scheme in ("light", "dark"):
        show(browser, pages["report"], scheme=scheme)
        found[scheme] = run(browser, colors)
    assert all(light != dark for light, dark in zip(found["light"], found["dark"], strict=True))
    brightness = {
        scheme: [sum(int(part) for part in color.removeprefix("rgb(").rstrip(")").split(",")) for color in values[:3]]
        for scheme, values in found.items()
    }
    assert brightness["light"][0] > 700 > 300 > brightness["light"][1]
    assert brightness["dark"][0] < 100 < 400 < brightness["dark"][2]
