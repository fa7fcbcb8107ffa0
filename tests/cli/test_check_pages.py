"""The pages of requirements and checks say what the catalogue and the docstrings say now."""

from pathlib import Path

import pytest

from harness.reporting.check_pages import INDEX, Checks, pages, write_pages
from harness.spec.catalogue import catalogue
from tests.command_line import maas

DOCS = Path(__file__).resolve().parents[2] / "docs" / "checks"


def test_the_pages_are_not_stale(tmp_path: Path) -> None:
    done = maas("explain", "--pages", "pages", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    made = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "pages").iterdir()}
    there = {path.name: path.read_text(encoding="utf-8") for path in DOCS.iterdir()}
    assert made.keys() == there.keys()
    stale = [name for name in made if made[name] != there[name]]
    assert stale == [], "run: maas-conformance explain --pages docs/checks"


@pytest.fixture
def made() -> dict[str, str]:
    proofs = {
        "scenarios/a.py::test_one[x]": ("MAAS-RATE-001",),
        "scenarios/a.py::test_one[y]": ("MAAS-RATE-001", "MAAS-RATE-002"),
        "scenarios/a.py::test_two": ("MAAS-RATE-001",),
    }
    return pages(Checks(proofs, {"scenarios/a.py::test_one[x]": "Says\n    what it does."}))


def test_there_is_a_page_an_area_and_an_index_with_how_to_read_a_failure(made: dict[str, str]) -> None:
    assert set(made) == {INDEX, *(f"{area}.md" for area in catalogue().areas)}
    assert "## How to read a failure" in made[INDEX]
    assert "| [token-rate-limits](token-rate-limits.md) | 28 | 2 |" in made[INDEX]


def test_a_requirement_has_its_checks_with_their_words_and_variants(made: dict[str, str]) -> None:
    page = made["token-rate-limits.md"]
    section = page.partition("## MAAS-RATE-001 (must)\n")[2].partition("\n## ")[0]
    assert "- `test_one` (2 variants) in [scenarios/a.py](../../scenarios/a.py): Says what it does." in section
    assert "- `test_two` in [scenarios/a.py](../../scenarios/a.py): two" in section
    assert catalogue().get("MAAS-RATE-001").requirement in section


def test_a_requirement_without_a_check_says_why(made: dict[str, str]) -> None:
    section = made["token-rate-limits.md"].partition("## MAAS-RATE-006 (may)\n")[2].partition("\n## ")[0]
    assert "No check: an option of the platform: only recorded where a check meets it." in section


def test_the_page_of_an_area_that_is_no_more_goes(tmp_path: Path, made: dict[str, str]) -> None:
    (tmp_path / "gone.md").write_text("x", encoding="utf-8")
    write_pages(tmp_path, made)
    assert {path.name for path in tmp_path.iterdir()} == set(made)
