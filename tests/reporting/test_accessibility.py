"""The pages can be used with a keyboard, a screen reader, and eyes that need contrast: what a checker of accessibility asks for first."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.engine.events import KnownFailureDeclared
from harness.engine.record import RunRecord
from harness.reporting.comparison import changes, read_report
from harness.reporting.comparison_page import Side, comparison_page
from harness.reporting.data import report_data
from harness.reporting.html import HtmlWriter
from harness.reporting.regenerate import regenerate
from tests.reporting.made_up_run import events

AA_TEXT = 4.5
"""Contrast of text with what lies behind it, by WCAG 2 AA."""
TEXTS = (
    "ink",
    "quiet",
    "link",
    "passed",
    "failed",
    "known_failure",
    "not_runnable",
    "skipped",
    "passed_on_retry",
    "unfinished",
)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self._open)))
        if tag not in {"meta", "input", "br", "wbr", "link", "rect", "line"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None], tuple[str, ...]]]:
        return [element for element in self.elements if element[0] in tags]


def _report(out: Path) -> str:
    known = KnownFailureDeclared(at=0.5, subject="fails", issue="https://example.com/1", expires="2099-01-01")
    HtmlWriter(out).finish(RunRecord.of([known, *events()]))
    return (out / "report.html").read_text(encoding="utf-8")


def _diff(out: Path) -> str:
    regenerate(events(), out)
    report = read_report(out)
    better = report.model_copy(update={"profile": "core"})
    return comparison_page([Side.of_report(out, report), Side.of_report(out, better)], changes(report, better))


@pytest.fixture(params=[_report, _diff])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> _Page:
    return _Page(request.param(tmp_path))


def test_the_page_names_its_language_title_and_way_past_the_head(page: _Page) -> None:
    assert page.all("html")[0][1]["lang"] == "en"
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    first_link = page.all("a")[0][1]
    assert (first_link["href"], first_link["class"]) == ("#main", "skip")


def test_headings_leave_no_level_out(page: _Page) -> None:
    levels = [int(tag[1]) for tag, _, _ in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_field_has_a_label_and_every_header_cell_a_scope(page: _Page) -> None:
    fields = page.all("input", "select")
    assert fields
    assert all("label" in around for _, _, around in fields)
    assert all(attributes.get("scope") in {"col", "row"} for _, attributes, _ in page.all("th"))


def test_regions_are_named_by_what_exists(page: _Page) -> None:
    ids = {attributes["id"] for _, attributes, _ in page.elements if attributes.get("id")}
    named = [
        str(attributes["aria-labelledby"]) for _, attributes, _ in page.elements if "aria-labelledby" in attributes
    ]
    assert named
    assert set(named) <= ids


def test_no_two_regions_have_one_name(page: _Page) -> None:
    labels = [
        str(attributes.get("aria-label") or attributes.get("aria-labelledby"))
        for tag, attributes, _ in page.elements
        if tag in {"section", "nav"} or attributes.get("role") == "region"
    ]
    assert "None" not in labels
    assert len(labels) == len(set(labels))


def test_what_scrolls_can_be_reached_by_keyboard(page: _Page) -> None:
    scrolling = [attributes for _, attributes, _ in page.elements if attributes.get("class") == "scroll"]
    assert scrolling
    assert all(attributes["tabindex"] == "0" and attributes["role"] == "region" for attributes in scrolling)
    assert all(attributes.get("tabindex") == "0" for tag, attributes, _ in page.elements if tag == "pre")


def test_only_what_can_be_opened_or_followed_is_clickable(page: _Page) -> None:
    assert not [attributes for _, attributes, _ in page.elements if any(name.startswith("on") for name in attributes)]
    assert all("details" in around for _, _, around in page.all("summary"))


def _luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_lies_behind_it(scheme: str) -> None:
    style = report_data("page.css").read_text(encoding="utf-8")
    light, dark = style.split("@media (prefers-color-scheme: dark)", 1)
    part = light if scheme == "light" else dark.split("}", 1)[0]
    colours = dict(re.findall(r"--(\w+):#([0-9a-f]{3,6});", part))
    assert {*TEXTS, "paper", "shade"} <= colours.keys()
    weak = {
        (name, behind): round(_contrast(colours[name], colours[behind]), 2)
        for name in TEXTS
        for behind in ("paper", "shade")
        if _contrast(colours[name], colours[behind]) < AA_TEXT
    }
    assert weak == {}
