"""The table of requirements and tests is what the marks say, and nobody's hand."""

import subprocess
import sys

import pytest

from tests.coverage import ROOT, TABLE, table


def test_the_committed_table_is_what_the_command_generates() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.coverage", "--print"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == TABLE.read_text(encoding="utf-8"), "stale: run python -m tests.coverage"


def test_a_row_names_its_tests_once_and_one_without_says_why() -> None:
    text = table({"tests/b.py::test_b": ("MAAS-RATE-001",), "tests/a.py::test_a": ("MAAS-RATE-001", "MAAS-SEC-001")})
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| MAAS-")}
    assert lines["MAAS-RATE-001"].endswith("| `tests/a.py::test_a`<br>`tests/b.py::test_b` |")
    assert lines["MAAS-LLM-010"].endswith(
        "| none: describes a test set-up of the upstream project, not a promise of a platform |"
    )
    assert "MAAS-SEC-001" not in lines, "it decides nothing"


def test_a_mark_with_a_row_of_nobody_is_refused() -> None:
    with pytest.raises(SystemExit, match="the catalogue lacks: MAAS-RATE-999"):
        table({"tests/a.py::test_a": ("MAAS-RATE-999",)})
