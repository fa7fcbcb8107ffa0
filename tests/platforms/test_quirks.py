"""Upstream's weaknesses on a whole platform: the checks report exactly those that were chosen, and prove the safe thing of the others."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from harness.engine.events import RunStarted
from harness.engine.journal import read_journal
from harness.outcome import ExitCode, UsageFault
from harness.platforms.embedded.quirks import (
    AUTHORIZER,
    CONTROLLER,
    ENTAILED,
    LIMITER,
    MAAS_API,
    QUIRKS,
    arguments_of,
    chosen,
    weaknesses_of,
)
from harness.selftest.case import Case
from harness.selftest.processes import Processes
from harness.selftest.trial import attempt
from harness.simulator.controllers.maas import quirks as of_controller
from harness.simulator.gateway.authorizer import quirks as of_authorizer
from harness.simulator.gateway.limiter import quirks as of_limiter
from harness.simulator.maas_api import quirks as of_maas_api
from harness.spec.catalogue import catalogue
from tests.command_line import maas

ROWS: Final = tuple(QUIRKS)
EVEN, ODD = ROWS[::2], ROWS[1::2]
ALL: Final = weaknesses_of(ROWS)
THEIR_CHECKS: Final = tuple(word for row in sorted(ALL) for word in ("--requirement", row))
ALONE: Final = 0
"""No test workers: the four platforms are judged beside each other already, and starting workers costs more than they save."""
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "quirks.md"
ENTRY: Final = re.compile(r"^\| `(MAAS-[A-Z]+-\d+)` .*\| ([^|]+) \|$", re.MULTILINE)


def documented() -> dict[str, set[str]]:
    """The names of the checks that show a row, as the last column of the document's table has them."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {row: set(re.findall(r"`([^`]+)`", shown_by)) for row, shown_by in ENTRY.findall(text)}


def reported(failures: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    """The names of the failed checks by the row that each blames the platform for; of any other failure, what happened."""
    found: dict[str, set[str]] = defaultdict(set)
    for failure in failures:
        name = str(failure["check"]).partition("::")[2]
        wrong = "" if failure["blame"] == "platform" else f": {failure['blame']}: {failure['observed']}"
        found[failure["requirement"]].add(name + wrong)
    return dict(found)


@pytest.mark.row(*ROWS)
@pytest.mark.parametrize(
    ("text", "rows"),
    [("none", ()), ("upstream", ROWS), (",".join(EVEN), EVEN), (",".join(ODD), ODD)],
    ids=["none", "upstream", "every-other", "the-others"],
)
def test_the_checks_report_exactly_the_weaknesses_that_were_chosen(
    text: str, rows: tuple[str, ...], tmp_path: Path
) -> None:
    weak = weaknesses_of(rows)
    case = Case(text, "these weaknesses", "weaknesses", weak, ("--quirks", text, *THEIR_CHECKS), ALONE)
    trial = attempt(case, tmp_path, Processes().run)
    assert not trial.fault
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    assert reported(summary["failures"]) == {row: documented()[row] for row in weak}
    assert trial.passed, "the rows judge nobody, and all are reported"
    assert ALL & set(summary["requirements"]["proven"]) == ALL - weak
    (started,) = (event for event in read_journal(tmp_path) if isinstance(event, RunStarted))
    assert started.versions.get("quirks", "").split() == list(rows)


def test_every_quirk_has_a_row_in_the_catalogue_and_a_line_in_the_document() -> None:
    assert set(catalogue().rows) >= ALL
    assert list(documented()) == [*ROWS, *(row for rows in ENTAILED.values() for row in rows)]
    assert all(documented().values())


def test_each_component_accepts_exactly_its_own() -> None:
    known = {
        MAAS_API: {quirk.value for quirk in of_maas_api.Quirk},
        AUTHORIZER: {quirk.value for quirk in of_authorizer.Quirk},
        CONTROLLER: {quirk.value for quirk in of_controller.Quirk},
        LIMITER: {quirk.value for quirk in of_limiter.Quirk},
    }
    assert {name: {row for row in QUIRKS if name in QUIRKS[row]} for name in known} == known


def test_a_component_is_told_its_own_alone() -> None:
    rows = ("MAAS-RATE-025", "MAAS-RATE-016", "MAAS-LIST-011")
    assert arguments_of(CONTROLLER, rows) == ("--quirks", "MAAS-RATE-025,MAAS-RATE-016")
    assert arguments_of(AUTHORIZER, rows) == ("--quirks", "MAAS-RATE-025")
    assert arguments_of(LIMITER, rows) == arguments_of(MAAS_API, ()) == ()


def test_what_is_chosen_is_in_one_order_and_a_stranger_is_told_of() -> None:
    assert chosen("MAAS-GW-017, MAAS-LIST-011") == ("MAAS-LIST-011", "MAAS-GW-017")
    with pytest.raises(UsageFault, match="'MAAS-RATE-26' is no quirk; did you mean MAAS-RATE-025"):
        chosen("MAAS-LIST-011,MAAS-RATE-26")


def test_a_platform_that_runs_already_takes_none(tmp_path: Path) -> None:
    done = maas("run", "--platform", "platform.json", "--quirks", "upstream", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "--quirks are chosen when a platform is started" in done.stderr


@pytest.mark.parametrize("command", [["up"], ["plan"], ["run", "-k", "canary", "-n", "0"]])
def test_the_command_line_says_so_in_one_sentence(command: list[str], tmp_path: Path) -> None:
    done = maas(*command, "--quirks", "some", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    said = done.stdout + done.stderr
    assert "--quirks takes none, upstream, or some of MAAS-LIST-011" in said
    assert "Traceback" not in said
