"""A run's record, made from events as a journal would give them."""

import shutil
from pathlib import Path

import pytest

from harness.engine.events import (
    AnyEvent,
    CharacteristicMeasured,
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    DiagnosticsTaken,
    ExchangeRecorded,
    Failure,
    LeftBehind,
    ObjectState,
    RunFinished,
    RunStarted,
    SuiteCollected,
)
from harness.engine.record import RunRecord
from tests.reporting.submissions import Runs

FAILURE = Failure(
    title="MAAS-RATE-001: after the token budget of a window is used up, further requests are refused",
    requirement="MAAS-RATE-001",
    requirement_text="after the token budget of a window is used up, further requests are refused",
    expected="429",
    observed="200",
    curl='curl -H "Authorization: Bearer $MAAS_KEY" http://127.0.0.1/llm/m/v1/chat/completions',
    blame="platform",
    detail="budget 10, <tag> & \x00",
)


def planned(name: str, *requirements: str, **more: object) -> CheckPlanned:
    return CheckPlanned(
        at=2.0,
        check_id=f"scenarios/quota/test_limits.py::{name}",
        requirements=requirements or ("MAAS-RATE-001",),
        needs=("kube",),
        file="scenarios/quota/test_limits.py",
        line=7,
        title=name.replace("_", " "),
        **more,  # type: ignore[arg-type]
    )


def finished(name: str, outcome: str, *, attempt: int = 1, at: float = 5.0, **more: object) -> CheckFinished:
    return CheckFinished(
        at=at,
        worker="gw1",
        check_id=f"scenarios/quota/test_limits.py::{name}",
        outcome=outcome,  # type: ignore[arg-type]
        attempt=attempt,
        duration_s=0.5,
        **more,  # type: ignore[arg-type]
    )


def events() -> list[AnyEvent]:
    """One check of every class, and one that came to no verdict."""
    prefix = "scenarios/quota/test_limits.py::"
    plan = [
        planned("passes", "MAAS-LIST-001"),
        planned("fails", "MAAS-RATE-001", "MAAS-RATE-002"),
        planned("cannot", "MAAS-RATE-004", not_runnable="needs clock: time is real here"),
        planned("skips", "MAAS-LIST-003"),
        planned("again", "MAAS-RATE-003"),
        planned("broken", "MAAS-LIST-002"),
        planned("unfinished", "MAAS-LIST-004"),
    ]
    proofs = {event.check_id: event.requirements for event in plan}
    return [
        RunStarted(
            at=1.0,
            run_id="0123456789ab",
            suite_version="0.1.0",
            target="embedded",
            stack="reference",
            profile="full",
            arguments=(),
            versions={"envoy": "1.40.0"},
            parameters={"ready_bound_s": 60.0},
            startup_s=2.5,
        ),
        SuiteCollected(at=1.5, proofs=proofs, deselected=()),
        *plan,
        *(CheckStarted(at=3.0, worker="gw1", check_id=event.check_id) for event in plan),
        CharacteristicMeasured(at=4.0, check_id=prefix + "passes", name="overshoot", value=12.0, unit="tokens"),
        ExchangeRecorded(
            at=4.0,
            check_id=prefix + "fails",
            request_id="r",
            method="POST",
            url="http://127.0.0.1/llm/m/v1/chat/completions",
            request_headers={"Authorization": "Bearer <secret>"},
            request_body="{}",
            status=200,
            response_headers=(("x", "y"),),
            response_body="{}",
            total_tokens=3,
            ttft_s=None,
            duration_s=0.1,
            error=None,
            curl=FAILURE.curl or "",
        ),
        DiagnosticsTaken(
            at=4.5,
            check_id=prefix + "fails",
            attempt=1,
            objects=(
                ObjectState(
                    kind="TokenRateLimitPolicy",
                    namespace="llm",
                    name="maas-trlp-m",
                    phase=None,
                    conditions=("Enforced=False",),
                ),
            ),
            logs={"limiter": "no usage\n"},
            traceback="Traceback of fails",
        ),
        finished("passes", "passed"),
        finished("fails", "failed", failure=FAILURE),
        finished("cannot", "not_runnable", reason="needs clock: time is real here"),
        finished("skips", "skipped", reason="not today"),
        finished("again", "failed", failure=FAILURE),
        CheckStarted(at=5.5, check_id=prefix + "again", attempt=2),
        finished("again", "passed_on_retry", attempt=2, at=6.0),
        finished(
            "broken",
            "failed",
            failure=Failure(
                title="t",
                requirement="MAAS-LIST-002",
                requirement_text="t",
                expected="a",
                observed="KeyError: 'x'",
                curl=None,
                blame="harness",
                detail="",
            ),
        ),
        LeftBehind(at=7.0, objects=()),
        RunFinished(at=8.0, duration_s=7.0, exit_code=1, reason="not conformant: 1 of 7 checks failed"),
    ]


@pytest.fixture
def record() -> RunRecord:
    return RunRecord.of(events())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def good(runs: Runs, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs.folder / "good", tmp_path / "good"))


@pytest.fixture
def bad(runs: Runs, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs.folder / "bad", tmp_path / "bad"))
