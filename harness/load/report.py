"""What a load leaves behind: `summary.json` for programs, and a few lines for the person at the terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from harness.load.drive import Driven
from harness.load.verdict import Objective
from harness.outcome import ExitCode


def exit_code(driven: Driven) -> ExitCode:
    """Unbalanced books are a target missed, however fast they were kept; an invalid run stays invalid."""
    code = driven.verdict.exit_code
    return ExitCode.NOT_CONFORMANT if code is ExitCode.CONFORMANT and driven.findings else code


def word(driven: Driven) -> str:
    """pass, fail or invalid, the books included."""
    return "fail" if driven.findings and driven.verdict.word == "pass" else driven.verdict.word


def summary(driven: Driven) -> dict[str, Any]:
    """The whole result as plain data."""
    verdict = driven.verdict
    return {
        "profile": driven.profile.model_dump(mode="json"),
        "verdict": word(driven),
        "reason": reason(driven),
        "exit_code": int(exit_code(driven)),
        "objectives": [
            {"name": one.name, "wanted": one.wanted, "measured": one.measured, "met": one.met}
            for one in verdict.objectives
        ],
        "measured": {name: getattr(verdict.measured, name) for name in verdict.measured.__struct_fields__},
        "books": {
            "balanced": not driven.findings if driven.books_read else None,
            "accounts": [
                {
                    "user": entry.account.user,
                    "subscription": entry.account.subscription,
                    "model": entry.account.model,
                    "client": entry.client,
                    "model_servers": entry.backend,
                    "platform": entry.platform,
                }
                for entry in driven.entries
            ],
            "findings": [str(finding) for finding in driven.findings],
        },
    }


def reason(driven: Driven) -> str:
    """Why, in one sentence."""
    if driven.findings and driven.verdict.word == "pass":
        return f"the token books do not balance: {driven.findings[0]}"
    return driven.verdict.reason


def write_summary(driven: Driven, out: Path) -> Path:
    """Write `summary.json`."""
    path = out / "summary.json"
    path.write_bytes(orjson.dumps(summary(driven), option=orjson.OPT_INDENT_2) + b"\n")
    return path


def lines(driven: Driven) -> Iterator[str]:
    """For the terminal."""
    for one in driven.verdict.objectives:
        yield f"  {_mark(one)} {one.name:<16} {_number(one.measured):>10}   wanted {one.wanted}"
    measured = driven.verdict.measured
    yield (
        f"    {measured.requests} requests; users waited {measured.users_busy:.0%} of the time; generator "
        f"{measured.generator_cpu_cores:.2f} cores, timers {measured.generator_timer_lag_p95_ms:.1f} ms late (p95)"
    )
    if driven.books_read:
        tokens = sum(entry.platform or 0 for entry in driven.entries)
        balance = "balance" if not driven.findings else "DO NOT BALANCE"
        yield f"    books of {len(driven.entries)} accounts {balance}: {tokens} tokens charged"
    yield from (f"    {finding}" for finding in driven.findings)
    yield f"{word(driven)}: {reason(driven)}"


def _mark(objective: Objective) -> str:
    return {True: "ok  ", False: "MISS", None: "-   "}[objective.met]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
