"""results/report.html in a headless Chromium: at several widths, in the dark, printed, by keyboard, without scripts."""

import base64
import csv
import gzip
import io
import json
import re
import shutil
from itertools import pairwise

import pytest

from lm_saturation.io.tables import read_csv
from lm_saturation.report.cells import ON_PAPER
from lm_saturation.report.verdicts import MEANINGS, SIGNS
from lm_saturation_workflow.catalogue import FIGURES, TABLE_RULES, TABLES
from tests.conftest import ROOT

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: make test installs it")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (375, 768, 1280)
CONTRAST = 4.5  # WCAG 2.2 AA, of text

# The text colour and the colour behind it of every text that is shown: [text, [r, g, b], [r, g, b]]
COLOURS = """
const parse = colour => colour.match(/[\\d.]+/g).map(Number)
const found = []
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement
  const isText = walker.currentNode.data.trim() && !element.closest("script, style, title, desc")
  if (!isText || !element.checkVisibility()) continue
  const style = getComputedStyle(element)
  const [r, g, b] = parse(element.closest("svg") ? style.fill : style.color)
  let behind = element
  while (behind && (parse(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement
  found.push([walker.currentNode.data.trim(), [r, g, b],
              parse(getComputedStyle(behind ?? document.documentElement).backgroundColor).slice(0, 3)])
}
return found
"""


@pytest.fixture(scope="module")
def browser():
    """A Chromium without a window, and without a network."""
    driver = shutil.which("chromedriver")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not (driver and program):
        pytest.skip(f"no {'Chromium' if driver else 'chromedriver'} on this machine: .ci/browser installs both")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "proxy-server=127.0.0.1:9"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    chromium.set_script_timeout(60)
    yield chromium
    chromium.quit()


@pytest.fixture(scope="module")
def address(undisturbed):
    return (undisturbed / "results" / "smoke" / "report.html").as_uri()


@pytest.fixture
def page(browser, address):
    """The page of the smoke configuration, just opened."""
    show(browser, 1280)
    browser.get(address)
    return browser


def show(browser, width, scheme="light", media=""):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def test_nothing_is_fetched_and_nothing_fails(browser, address):
    show(browser, 1280)
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what tests before left
    browser.get(address)
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [address]


def test_every_link_and_image_is_there(page):
    links = page.execute_script("return [...document.links].map(link => [link.getAttribute('href'), link.download])")
    ids = page.execute_script("return [...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))
    inner = [href for href, _ in links if href.startswith("#")]
    assert len(inner) > 40
    assert {href[1:] for href in inner} <= set(ids)
    files = {name: href for href, name in links if not href.startswith("#")}
    assert {name.split(".")[0] for name in files} == set(FIGURES)
    for name, href in files.items():
        data = base64.b64decode(href.split(",", 1)[1])
        text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
        assert len(list(csv.reader(io.StringIO(text)))) > 1, name
    images = page.execute_script("return [...document.images].map(image => [image.alt, image.naturalWidth])")
    assert len(images) == len(FIGURES)
    assert all(width > 300 for _, width in images)


def test_what_is_there_can_be_found_by_ear(page):
    """One h1, headings in order, landmarks, names of what can be focused, heads of rows and columns."""
    levels = page.execute_script("return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for landmark in ("header", "nav", "main"):
        assert len(page.find_elements(By.TAG_NAME, landmark)) == 1
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    alts = page.execute_script("return [...document.images].map(image => image.alt)")
    assert len(set(alts)) == len(alts)
    assert all(len(alt) > 60 for alt in alts)
    unnamed = """return [...document.querySelectorAll("button, summary, a, [role=region], svg[role=img]")]
        .filter(one => !(one.ariaLabel || one.getAttribute("aria-labelledby") || one.textContent.trim())).length"""
    assert page.execute_script(unnamed) == 0
    assert page.execute_script("return [...document.querySelectorAll('th')].every(th => th.scope)")
    boxes = "return [...document.querySelectorAll('.scroll')].every(box => box.tabIndex === 0 && box.ariaLabel)"
    assert page.execute_script(boxes)


def test_the_first_key_skips_to_the_claims(page):
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    link = page.switch_to.active_element
    assert link.get_attribute("href").endswith("#claims")
    assert link.rect["x"] >= 0
    outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    link.send_keys(Keys.ENTER)
    assert page.current_url.endswith("#claims")


def number_in(text):
    """The number that a cell begins with, read in another way than the page does."""
    match = re.match(r"-?[0-9][0-9,]*(\.[0-9]+)?(e[-+][0-9]+)?[kMBT]?|-?\.[0-9]+", text)
    if not match:
        return None
    digits = match[0].replace(",", "")
    return float(digits.rstrip("kMBT")) * 10 ** (3 * "kMBT".index(digits[-1]) + 3 if digits[-1] in "kMBT" else 0)


def column(page, table, place):
    texts = "return [...arguments[0].tBodies[0].rows].map(row => row.cells[arguments[1]].textContent.trim())"
    return page.execute_script(texts, table, place)


def is_sorted(texts, is_number, sign):
    values = [number_in(text) for text in texts] if is_number else [text or None for text in texts]
    there = [value for value in values if value is not None]
    if values != there + [None] * (len(values) - len(there)):  # what has no value is last
        return False
    if not is_number:
        there = [re.sub(r"\d+", lambda found: found[0].zfill(9), value.lower()) for value in there]
        there = there if all(re.fullmatch(r"[a-z0-9]*", value) for value in there) else []  # signs: up to the browser
    return there == sorted(there, reverse=sign < 0)


def test_every_table_sorts_by_click(page):
    tables = page.find_elements(By.CSS_SELECTOR, "table.sortable")
    empty = page.execute_script(
        "return [...document.querySelectorAll('p')].filter(p => p.innerText === 'None.').length"
    )
    views = [view for table in TABLES.values() for view in table.views]
    assert len(tables) == len(views) - empty + 4  # times, packages, inputs, seeds
    page.execute_script("document.querySelectorAll('details').forEach(aside => { aside.open = true })")
    for table in tables:
        heads = table.find_elements(By.CSS_SELECTOR, "thead th")
        for place, head in enumerate(heads):
            before = column(page, table, place)
            is_number = head.get_attribute("class") == "number"
            for direction, sign in (("ascending", 1), ("descending", -1)):
                page.execute_script("arguments[0].click()", head.find_element(By.TAG_NAME, "button"))
                assert head.get_attribute("aria-sort") == direction
                after = column(page, table, place)
                assert sorted(after) == sorted(before)
                assert is_sorted(after, is_number, sign), (head.text, direction, after)
            others = [other.get_attribute("aria-sort") for other in heads if other != head]
            assert set(others) <= {None}


def test_every_table_sorts_by_key(page):
    page.execute_script("document.querySelectorAll('details').forEach(aside => { aside.open = true })")
    for table in page.find_elements(By.CSS_SELECTOR, "table.sortable"):
        head = table.find_element(By.CSS_SELECTOR, "thead th")
        button = head.find_element(By.TAG_NAME, "button")
        for key, direction in ((Keys.ENTER, "ascending"), (Keys.SPACE, "descending")):
            button.send_keys(key)
            assert head.get_attribute("aria-sort") == direction
            assert page.switch_to.active_element == button


@pytest.mark.parametrize(
    ("head", "cells", "ascending"),
    [
        ('class="number"', ["1,234", "", "99", "4.2 to 5.1", "-3"], ["-3", "4.2 to 5.1", "99", "1,234", ""]),
        ('class="number"', ["14.1M", "1.4B", "", "70.4k", "512"], ["512", "70.4k", "14.1M", "1.4B", ""]),
        ('class="number"', ["all", "1e-05", "0.2", "64, unfactored"], ["1e-05", "0.2", "64, unfactored", "all"]),
        ("", ["d64", "", "d8", "d16"], ["d8", "d16", "d64", ""]),
    ],
)
def test_numbers_sort_as_numbers_and_nothing_comes_last(browser, tmp_path, head, cells, ascending):
    rows = "".join(f"<tr><td>{cell}</td></tr>" for cell in cells)
    script = (ROOT / "src" / "lm_saturation" / "report" / "report.js").read_text()
    text = f'<table class="sortable"><thead><tr><th {head}>x</th></tr></thead><tbody>{rows}</tbody></table>'
    (tmp_path / "table.html").write_text(f'<!doctype html><meta charset="utf-8">{text}<script>{script}</script>')
    browser.get((tmp_path / "table.html").as_uri())
    table, button = browser.find_element(By.TAG_NAME, "table"), browser.find_element(By.TAG_NAME, "button")
    button.click()
    assert column(browser, table, 0) == ascending
    button.click()
    there = [cell for cell in ascending if cell not in ("", "all")]
    assert column(browser, table, 0) == there[::-1] + ascending[len(there) :]


def test_it_reads_without_scripts(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        assert browser.find_elements(By.TAG_NAME, "button") == []
        assert "saturate" in browser.find_element(By.CSS_SELECTOR, ".claims tbody").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_does_not_scroll_sideways(page, width):
    show(page, width)
    page.execute_script("document.querySelectorAll('details').forEach(aside => { aside.open = true })")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page, scheme):
    show(page, 1280, scheme)
    page.execute_script("document.querySelectorAll('details').forEach(aside => { aside.open = true })")
    pairs = {(tuple(text), tuple(behind)): words for words, text, behind in page.execute_script(COLOURS)}
    assert len(pairs) >= 5
    weak = {words: pair for pair, words in pairs.items() if contrast(*pair) < CONTRAST}
    assert weak == {}
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (luminance([int(part) for part in re.findall(r"\d+", ground)]) < 0.1) == (scheme == "dark")
    behind_images = page.execute_script(
        "return [...new Set([...document.images].map(image => getComputedStyle(image).backgroundColor))]"
    )
    assert behind_images == ["rgb(255, 255, 255)"]


def luminance(colour):
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_verdicts_are_told_apart_without_colour(page):
    shown = {mark.text for mark in page.find_elements(By.CSS_SELECTOR, "td .verdict")}
    signs = {text[0] for text in shown}
    assert "– not tested here" in shown
    assert signs <= set(SIGNS)
    assert len(signs) == len({sign for text, (sign, _) in MEANINGS.items() if any(one[2:] == text for one in shown)})


def test_the_counts_are_those_of_the_table(page, undisturbed):
    claims = read_csv("claims", undisturbed / "results" / "smoke" / "claims.csv")
    rows = page.find_elements(By.CSS_SELECTOR, ".counts tbody tr")
    counted = {
        row.find_element(By.TAG_NAME, "th").text: [int(cell.text) for cell in row.find_elements(By.TAG_NAME, "td")]
        for row in rows
    }
    made = claims[claims.kind == "claim"].groupby("source").size()
    assert {source: sum(numbers) for source, numbers in counted.items()} == made.to_dict()


def test_it_prints(page):
    width_mm = 210 - 2 * 12  # A4, less its margins
    show(page, round(width_mm / 25.4 * 96), media="print")
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    closed = page.execute_script(
        "return [...document.querySelectorAll('details:not([open])')].map(one => one.className)"
    )
    assert closed == ["unprinted"]
    tables = page.find_elements(By.CSS_SELECTOR, "section .scroll:not(.claims, .counts) tbody")
    rows = [len(table.find_elements(By.TAG_NAME, "tr")) for table in tables if table.is_displayed()]
    assert len(rows) > 20
    assert max(rows) <= ON_PAPER
    left_out = page.find_elements(By.CSS_SELECTOR, ".unprinted + .source")
    assert left_out
    assert all("not printed" in one.text and "/smoke/" in one.text for one in left_out)
    assert not page.find_element(By.TAG_NAME, "nav").is_displayed()
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")  # no table is cut
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script("return document.querySelectorAll('details[open]').length") == 0
    show(page, 1280)
    printed = base64.b64decode(page.print_page())
    assert printed.startswith(b"%PDF")
    assert 10 < len(re.findall(rb"/Type\s*/Page\b", printed)) < 80


def test_claims_not_tested_say_what_would_test_them(page):
    untested = [
        row.find_element(By.TAG_NAME, "th").text
        for row in page.find_elements(By.CSS_SELECTOR, ".claims tbody tr")
        if "not tested here" in row.text
    ]
    listed = [one.text for one in page.find_elements(By.CSS_SELECTOR, "dl.untested li")]
    assert len(listed) == len(untested) > 5
    assert all(any(claim.startswith(text) for claim in untested) for text in listed)
    commands = {one.text for one in page.find_elements(By.CSS_SELECTOR, "dl.untested code")}
    named = {name for command in commands for name in re.findall(r"config/\S+", command)}
    assert named
    assert all((ROOT / name).exists() for name in named)


def test_the_workflow_is_drawn(page):
    graph = page.find_element(By.CSS_SELECTOR, ".graph svg")
    texts = [one.text for one in graph.find_elements(By.TAG_NAME, "text")]
    assert {"corpus", f"figures ×{len(FIGURES)}", f"tables ×{len(TABLE_RULES)}", "claims", "report"} <= set(texts)
    boxes = page.execute_script(
        "return [...arguments[0].querySelectorAll('rect[rx]')].map(box => box.getBoundingClientRect())", graph
    )
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = one["right"] <= other["left"] or other["right"] <= one["left"]
            assert apart or one["bottom"] <= other["top"] or other["bottom"] <= one["top"]
