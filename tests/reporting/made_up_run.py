"""A made-up run, as a journal would give it: one check of every class, and one that came to no verdict."""

from typing import Final

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
MISHAP = Failure(
    title="t",
    requirement="MAAS-LIST-002",
    requirement_text="t",
    expected="a",
    observed="KeyError: 'x'",
    curl=None,
    blame="harness",
    detail="",
)
"""Of a check that broke by itself."""
PREFIX: Final = "scenarios/quota/test_limits.py::"


def planned(name: str, *requirements: str, **more: object) -> CheckPlanned:
    return CheckPlanned(
        at=2.0,
        check_id=PREFIX + name,
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
        check_id=PREFIX + name,
        outcome=outcome,  # type: ignore[arg-type]
        attempt=attempt,
        duration_s=0.5,
        **more,  # type: ignore[arg-type]
    )


def events() -> list[AnyEvent]:
    """The whole run, in the order in which it happened."""
    plan = _plan()
    proofs = {event.check_id: event.requirements for event in plan}
    return [
        _started(),
        SuiteCollected(at=1.5, proofs=proofs, deselected=()),
        *plan,
        *(CheckStarted(at=3.0, worker="gw1", check_id=event.check_id) for event in plan),
        CharacteristicMeasured(at=4.0, check_id=PREFIX + "passes", name="overshoot", value=12.0, unit="tokens"),
        _exchange(),
        _diagnostics(),
        *_verdicts(),
        LeftBehind(at=7.0, objects=()),
        RunFinished(at=8.0, duration_s=7.0, exit_code=1, reason="not conformant: 1 of 7 checks failed"),
    ]


def _started() -> RunStarted:
    return RunStarted(
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
    )


def _plan() -> list[CheckPlanned]:
    return [
        planned("passes", "MAAS-LIST-001"),
        planned("fails", "MAAS-RATE-001", "MAAS-RATE-002"),
        planned("cannot", "MAAS-RATE-004", not_runnable="needs clock: time is real here"),
        planned("skips", "MAAS-LIST-003"),
        planned("again", "MAAS-RATE-003"),
        planned("broken", "MAAS-LIST-002"),
        planned("unfinished", "MAAS-LIST-004"),
    ]


def _exchange() -> ExchangeRecorded:
    return ExchangeRecorded(
        at=4.0,
        check_id=PREFIX + "fails",
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
    )


def _diagnostics() -> DiagnosticsTaken:
    policy = ObjectState(
        kind="TokenRateLimitPolicy",
        namespace="llm",
        name="maas-trlp-m",
        phase=None,
        conditions=("Enforced=False",),
        events=("Warning Conflict (x2): another one",),
    )
    return DiagnosticsTaken(
        at=4.5,
        check_id=PREFIX + "fails",
        attempt=1,
        objects=(policy,),
        logs={"limiter": "no usage\n"},
        books={"client": ("r POST: 200, 3 tokens",), "platform": ("authorized_hits{subscription=s} 0",)},
        traceback="Traceback of fails",
    )


def _verdicts() -> list[AnyEvent]:
    return [
        finished("passes", "passed"),
        finished("fails", "failed", failure=FAILURE),
        finished("cannot", "not_runnable", reason="needs clock: time is real here"),
        finished("skips", "skipped", reason="not today"),
        finished("again", "failed", failure=FAILURE),
        CheckStarted(at=5.5, check_id=PREFIX + "again", attempt=2),
        finished("again", "passed_on_retry", attempt=2, at=6.0),
        finished("broken", "failed", failure=MISHAP),
    ]
