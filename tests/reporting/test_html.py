"""The page: whole, safe, and the same words as everywhere else."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from harness.engine.events import AnyEvent, CheckFinished, Product, RunStarted, SuiteCollected
from harness.engine.record import RunRecord
from harness.reporting.html import HtmlWriter
from harness.reporting.page import breakable, code
from harness.reporting.plot import Distribution, histogram
from tests.reporting.made_up_run import FAILURE, events

VOID = {"meta", "input", "br", "wbr", "line", "rect", "link"}


class _Structure(HTMLParser):
    """Notes ids, links and sources, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.links += [str(given[name]) for name in ("href", "src") if given.get(name)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture
def page(out: Path) -> str:
    writer, record = HtmlWriter(out), RunRecord()
    for event in events():
        record.apply(event)
        writer.on_event(event, record)
    writer.finish(record)
    return (out / "report.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_needs_no_network(page: str) -> None:
    structure = _Structure()
    structure.feed(page)
    assert structure.open == []
    assert len(structure.ids) == len(set(structure.ids))
    assert all(link.startswith("#") for link in structure.links), structure.links
    assert {link.removeprefix("#") for link in structure.links} <= set(structure.ids)
    assert "default-src 'none'" in page


def test_what_a_platform_says_is_text_and_never_markup(page: str) -> None:
    assert "&lt;tag&gt; &amp;" in page
    assert "<tag>" not in page


def test_verdict_failures_and_traceability_are_on_it(page: str) -> None:
    assert "<h1>Not conformant</h1>" in page
    assert "not conformant: 1 of 7 checks failed" in page
    for words in (
        "curl -H",
        "$MAAS_KEY",
        "Enforced=False",
        "event: Warning Conflict (x2): another one",
        "authorized_hits{subscription=s} 0",
        "no usage",
        "Traceback of fails",
        "Authorization: Bearer &lt;secret&gt;",
    ):
        assert words in page.replace("&#34;", '"'), words
    assert re.search(r'<tr id="MAAS-RATE-001" data-state="broken">', page)
    assert re.search(r'<tr id="MAAS-LIST-001" data-state="proven">', page)
    assert re.search(r'<tr id="MAAS-RATE-004" data-state="not_evaluated">', page)
    assert page.count('data-state="uncovered"') == 454
    assert "needs clock: time is real here" in page
    assert "overshoot" in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0, 3.0], "3 values from 1 to 3 ms, median 2, 95th percentile 3; linear scale"),
        ([1.0, 10.0, 1000.0], "median 10, 95th percentile 1,000; logarithmic scale"),
        ([5.0, 5.0], "2 values from 5 to 5 ms"),
    ],
)
def test_a_plot_is_described_for_those_who_cannot_see_it(values: list[float], words: str) -> None:
    assert words in histogram(values, "answer <fast>", "ms")
    assert "<title>answer &lt;fast&gt;</title>" in histogram(values, "answer <fast>", "ms")


def test_every_value_is_in_one_bar() -> None:
    svg = histogram([float(value) for value in range(100, 200)], "x", "ms")
    heights = [float(height) for height in re.findall(r'height="([\d.]+)"/>', svg)]
    assert len(heights) == 30
    assert max(heights) == 52.0


def test_quantiles_are_values_that_were_measured() -> None:
    seen = Distribution.of([float(value) for value in range(1, 101)])
    assert (seen.smallest, seen.median, seen.p95, seen.largest) == (1.0, 50.0, 95.0, 100.0)


def _page_of(out: Path, story: list[AnyEvent]) -> str:
    HtmlWriter(out).finish(RunRecord.of(story))
    return (out / "report.html").read_text(encoding="utf-8")


def _section(page: str, name: str) -> str:
    return page.partition(f'<section aria-labelledby="{name}">')[2].partition("</section>")[0]


def test_a_failure_says_what_its_requirement_weighs(page: str) -> None:
    assert "MAAS-RATE-001</a> must <span" in _section(page, "failures")
    assert "breaking it makes a platform not conformant (core)" in _section(page, "failures")
    assert 'id="weaknesses"' not in page


def test_a_weakness_that_decides_nothing_stands_apart_from_the_failures(out: Path) -> None:
    observed = msgspec.structs.replace(FAILURE, requirement="MAAS-RATE-025")
    page = _page_of(
        out,
        [
            msgspec.structs.replace(event, failure=observed)
            if isinstance(event, CheckFinished) and event.failure == FAILURE
            else event
            for event in events()
        ],
    )
    assert "MAAS-RATE-025</a> observe" in _section(page, "weaknesses")
    assert "MAAS-RATE-025" not in _section(page, "failures")
    assert "KeyError" in _section(page, "failures")


def test_the_head_says_whose_platform_when_and_how_much_was_judged(out: Path) -> None:
    named = Product(organization="Example", project="MaaS", version="4.2")
    story = [
        msgspec.structs.replace(event, product=named)
        if isinstance(event, RunStarted)
        else msgspec.structs.replace(event, proofs={**event.proofs, "scenarios/x.py::test_x": ("MAAS-RATE-004",)})
        if isinstance(event, SuiteCollected)
        else event
        for event in events()
    ]
    head = _page_of(out, story).partition("</header>")[0]
    told = re.findall(r"<span>([^<]+)</span>", head)
    assert told == [
        "Example MaaS 4.2",
        "target embedded (reference)",
        "profile full: 7 of the suite&#39;s 8 checks",
        "suite 0.1.0",
        "1970-01-01",
    ]


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("a `b*c` **d** <e>", "a <code>b*c</code> <strong>d</strong> &lt;e&gt;"),
        ("`**/x`, `y/**`", "<code>**/x</code>, <code>y/**</code>"),
        ("2 ** 3", "2 ** 3"),
    ],
)
def test_the_catalogues_marks_become_elements(text: str, markup: str) -> None:
    assert code(text) == markup


def test_a_long_name_breaks_after_its_parts() -> None:
    assert breakable("a/test_b.py::c_<d>") == "a/<wbr>test_<wbr>b.py::<wbr>c_<wbr>&lt;d&gt;"


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PROBE = """
<script>
addEventListener("load", () => {
  const rows = document.getElementById("requirement-rows").rows;
  const bar = document.querySelector('[data-for="requirement-rows"]');
  const choose = bar.querySelector("select");
  choose.value = "broken"; choose.dispatchEvent(new Event("change"));
  const broken = [...rows].filter(row => !row.hidden).map(row => row.id).join(" ");
  choose.value = ""; const search = bar.querySelector("input");
  search.value = "RATE-001 window"; search.dispatchEvent(new Event("input"));
  const found = [...rows].filter(row => !row.hidden).map(row => row.id).join(" ");
  document.title = "broken: " + broken + " | found: " + found + " | " + bar.querySelector("[role=status]").textContent;
});
</script>
"""


IN_BROWSER = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def title_in_a_browser(page: str, probe: str, folder: Path, *options: str) -> str:
    """The title that a script at the end of the page leaves behind in a real browser."""
    probed = folder / "probed.html"
    probed.write_text(page.replace("</body>", probe + "</body>"), encoding="utf-8")
    usual = ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom")
    done = subprocess.run(
        [str(BROWSER), *usual, *options, probed.as_uri()], capture_output=True, text=True, timeout=300, check=True
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    return title.group(1)


@IN_BROWSER
def test_filter_and_search_work_in_a_real_browser(page: str, tmp_path: Path) -> None:
    title = title_in_a_browser(page, PROBE, tmp_path)
    assert title == "broken: MAAS-LIST-002 MAAS-RATE-001 | found: MAAS-RATE-001 | 1 of 462"


WIDTH_PROBE = """
<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(part =>
    part.getBoundingClientRect().right > innerWidth + 1 && !part.closest(".scroll") && !part.closest("pre"));
  document.title = "overflows: " + (document.documentElement.scrollWidth > innerWidth) + " " + wide.slice(0, 3).map(part => part.tagName).join(" ");
});
</script>
"""


@IN_BROWSER
@pytest.mark.parametrize("width", [500, 1300])
def test_nothing_but_tables_has_to_be_scrolled_sideways(page: str, tmp_path: Path, width: int) -> None:
    title = title_in_a_browser(page, WIDTH_PROBE, tmp_path, f"--window-size={width},1200")
    assert title == "overflows: false "
