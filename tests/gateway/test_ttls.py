"""How long answers are repeated: the flags of the authorizer, and what they mean."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from harness.simulator.gateway.authorizer.check import CheckMethod
from harness.simulator.gateway.authorizer.decision import Authorizer
from harness.simulator.gateway.authorizer.metrics import AuthMetrics
from tests.gateway.conftest import Rig
from tests.gateway.stack import launch
from tests.gateway.test_decision import CHOICE, FOREVER, KEY, Chooses, Known, answered, check_message

MODULE = "harness.simulator.gateway.authorizer"


@pytest.mark.row("MAAS-REV-011")
@pytest.mark.parametrize("flag", ["--metadata-cache-ttl", "--authz-cache-ttl"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon"])
def test_a_time_that_is_none_keeps_it_from_starting(tmp_path: Path, flag: str, value: str) -> None:
    command = [sys.executable, "-m", MODULE, "--kubeconfig", str(tmp_path / "none"), "--maas-api", "http://127.0.0.1:9"]
    ended = subprocess.run([*command, f"{flag}={value}"], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert f"expected seconds, 0 or more, got {value!r}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("option", ["--oidc-ca", "--maas-api-ca"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_keep_it_from_starting(
    rig: Rig, tmp_path: Path, option: str, content: str | None
) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        MODULE,
        "--kubeconfig",
        str(rig.stack.kubeconfig),
        "--maas-api",
        "http://127.0.0.1:9",
    ]
    ended = subprocess.run([*command, option, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, f"expected certificates in PEM at {option} {path}" in ended.stderr) == (3, True)
    assert "Traceback" not in ended.stderr


@pytest.mark.row("MAAS-REV-011")
@pytest.mark.parametrize(("decision", "answer", "warned"), [("60", "2", True), ("2", "60", False), ("0", "0", False)])
def test_a_decision_lives_no_longer_than_what_it_rests_on(
    rig: Rig, tmp_path: Path, decision: str, answer: str, warned: bool
) -> None:
    part = launch(
        tmp_path, "authorizer", MODULE, "--kubeconfig", str(rig.stack.kubeconfig), "--maas-api", "http://127.0.0.1:9",
        "--authz-cache-ttl", decision, "--metadata-cache-ttl", answer,
    )  # fmt: skip
    part.stop()
    said = part.log.read_text(encoding="utf-8")
    assert (f"--authz-cache-ttl {decision} is above --metadata-cache-ttl {answer}" in said) is warned


@pytest.mark.row("MAAS-REV-011")
@pytest.mark.parametrize(("ttl", "asked"), [(0.0, [1, 2, 3, 4]), (1.0, [1, 1, 2, 3]), (5.0, [1, 1, 1, 2])])
def test_a_decision_is_repeated_for_its_time_and_for_none_not_at_all(ttl: float, asked: list[int]) -> None:
    now = 10.0
    identities = Known(KEY, FOREVER)
    check = CheckMethod(Authorizer(identities, Chooses(CHOICE)), AuthMetrics(), ttl, lambda: now)

    async def scenario() -> list[int]:
        nonlocal now
        counted = []
        for moment in (10.0, 10.9, 11.1, 15.1):
            now = moment
            await answered(check, check_message(authorization="a"))
            counted.append(identities.asked)
        return counted

    assert asyncio.run(scenario()) == asked
