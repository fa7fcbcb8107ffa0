"""Upstream's weaknesses on a whole platform: safe by default, weak with the quirk, and exactly those that were chosen."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.outcome import ExitCode, UsageFault
from harness.platforms.embedded.quirks import AUTHORIZER, CONTROLLER, LIMITER, MAAS_API, QUIRKS, arguments_of, chosen
from harness.platforms.platform import Platform
from harness.platforms.target import TargetOptions, open_target
from harness.simulator.controllers.maas import quirks as of_controller
from harness.simulator.gateway.authorizer import quirks as of_authorizer
from harness.simulator.gateway.limiter import quirks as of_limiter
from harness.simulator.maas_api import quirks as of_maas_api
from harness.spec.catalogue import catalogue
from tests.platforms.quirk_probes import PROBES, Probe
from tests.platforms.whole import world_on

ROWS = tuple(QUIRKS)
EVEN, ODD = ROWS[::2], ROWS[1::2]
DOCUMENT = Path(__file__).parents[2] / "docs" / "quirks.md"


def answer(platform: Platform, probe: Probe) -> Any:
    with world_on(platform) as world:
        try:
            return probe.ask(world)
        except Exception as error:  # noqa: BLE001 - told beside the other rows' answers, which it must not hide
            return f"{type(error).__name__}: {error}"


@pytest.mark.row(*ROWS)
@pytest.mark.parametrize(
    ("text", "rows"),
    [("none", ()), ("upstream", ROWS), (",".join(EVEN), EVEN), (",".join(ODD), ODD)],
    ids=["none", "upstream", "every-other", "the-others"],
)
def test_a_platform_has_exactly_the_weaknesses_that_were_chosen(text: str, rows: tuple[str, ...]) -> None:
    with open_target(TargetOptions(settings={"quirks": text}), lambda line: None) as platform:
        assert platform.versions.get("quirks", "").split() == list(rows)
        with ThreadPoolExecutor(4) as pool:
            asked = {row: pool.submit(answer, platform, probe) for row, probe in PROBES.items()}
        answers = {row: future.result() for row, future in asked.items()}
    assert answers == {row: probe.weak if row in rows else probe.safe for row, probe in PROBES.items()}


def test_every_quirk_has_a_probe_a_row_in_the_catalogue_and_a_line_in_the_document() -> None:
    assert set(PROBES) == set(QUIRKS) <= set(catalogue().rows)
    assert re.findall(r"^\| `(MAAS-[A-Z]+-\d+)`", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE) == list(ROWS)


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


def test_a_platform_that_runs_already_takes_none() -> None:
    words = ["run", "--platform", "platform.json", "--quirks", "upstream"]
    done = subprocess.run([sys.executable, "-m", "harness", *words], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "--quirks are chosen when a platform is started" in done.stderr


@pytest.mark.parametrize("command", [["up"], ["plan"], ["run", "-k", "canary", "-n", "0", "--out"]])
def test_the_command_line_says_so_in_one_sentence(command: list[str], tmp_path: Path) -> None:
    words = [*command, str(tmp_path)] if command[-1] == "--out" else command
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words, "--quirks", "some"], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.USAGE
    said = done.stdout + done.stderr
    assert "--quirks takes none, upstream, or some of MAAS-LIST-011" in said
    assert "Traceback" not in said
