"""From an exception to a `Failure`, and from a whole run to its exit code."""

from pathlib import Path
from types import TracebackType
from typing import Final

import httpx
import pytest

from harness.client.curl import curl_line
from harness.client.exchange import Exchange
from harness.engine.declaration import CheckDeclaration
from harness.engine.events import Blame, Failure
from harness.engine.failure import NotConformant, NotReady
from harness.engine.record import CheckRecord, RunRecord
from harness.engine.redaction import redact
from harness.kube.fault import WaitExpired
from harness.outcome import EnvironmentFault, ExitCode
from harness.spec.catalogue import Catalogue

_HARNESS: Final = Path(__file__).resolve().parents[1]
_UNREACHABLE: Final = (NotReady, EnvironmentFault, httpx.TransportError, ConnectionError, TimeoutError)


def failure_of(
    error: BaseException, declaration: CheckDeclaration, catalogue: Catalogue, last: Exchange | None
) -> Failure:
    """Why a check failed; `last` is its latest exchange, named where the error itself names none."""
    verdict = error if isinstance(error, NotConformant) else None
    requirement = catalogue.get(_broken(verdict, declaration, catalogue))
    exchange = verdict.exchange if verdict and verdict.exchange else last
    return Failure(
        title=redact(f"{requirement.id}: {requirement.requirement}"),
        requirement=requirement.id,
        requirement_text=requirement.requirement,
        expected=redact(verdict.expected if verdict else requirement.expectation),
        observed=redact(verdict.observed if verdict else _sentence(error)),
        curl=_repeated(error, exchange),
        blame=blame_of(error),
        detail=redact(verdict.detail if verdict else ""),
    )


def _repeated(error: BaseException, exchange: Exchange | None) -> str | None:
    """The line that shows it again: the object that was waited for in vain, else the exchange."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, WaitExpired):
            return cause.ref.kubectl()
        cause = cause.__cause__
    return redact(curl_line(exchange.request)) if exchange else None


def blame_of(error: BaseException) -> Blame:
    """Whose fault it is: the platform's only where a check compared what it promised with what it did.

    A bare `assert` in a check is such a comparison; one inside the harness guards the harness itself.
    """
    if isinstance(error, NotConformant):
        return "platform"
    if isinstance(error, _UNREACHABLE):
        return "environment"
    if isinstance(error, AssertionError | pytest.fail.Exception) and not _raised_by_harness(error.__traceback__):
        return "platform"
    return "harness"


def conclude(record: RunRecord, *, interrupted: str | None, strict: bool, catalogue: Catalogue) -> tuple[ExitCode, str]:
    """The exit code of a run and its verdict in one sentence, the gravest first."""
    if record.credentials_in:
        return (
            ExitCode.HARNESS,
            f"live credentials were written to {', '.join(record.credentials_in)}: do not publish them",
        )
    if record.lost_workers:
        lost = record.lost_workers[0]
        return ExitCode.INVALID, f"test worker {lost.name} died: nothing can be concluded"
    if interrupted:
        return ExitCode.INVALID, f"{interrupted}: nothing can be concluded"
    if record.collection_failures:
        return ExitCode.HARNESS, f"{record.collection_failures[0].where} could not be collected"
    if not record.checks:
        return ExitCode.USAGE, "no check matches the selection"
    return _conclude_checks(record, strict=strict, catalogue=catalogue)


def broken_in(record: RunRecord) -> frozenset[str]:
    """The requirements that checks found broken, whatever their level: by the platform's fault, and not declared beforehand."""
    failures = (check.final.failure for check in record.having("failed") if check.final)
    return frozenset(failure.requirement for failure in failures if failure and failure.blame == "platform")


def _conclude_checks(record: RunRecord, *, strict: bool, catalogue: Catalogue) -> tuple[ExitCode, str]:
    blamed = [(blame, check) for check in record.having("failed") for blame in (_blame(check),)]
    broken = [check for blame, check in blamed if blame == "platform" and _decides(check, catalogue)]
    if broken:
        return (
            ExitCode.NOT_CONFORMANT,
            f"not conformant: {len(broken)} of {len(record.checks)} checks found a promise broken{_unjudged(record)}",
        )
    for blame, code, text in (
        ("harness", ExitCode.HARNESS, "failed by a fault of the harness"),
        ("environment", ExitCode.ENVIRONMENT, "failed because the environment was not ready"),
    ):
        count = sum(1 for found, _ in blamed if found == blame)
        if count:
            return code, f"{count} of {len(record.checks)} checks {text}"
    missing = len(record.having("not_runnable", "skipped"))
    if strict and missing:
        return (
            ExitCode.NOT_CONFORMANT,
            f"not conformant: {missing} checks did not run, which this profile counts as failed",
        )
    if record.unfinished:
        return ExitCode.INVALID, f"{len(record.unfinished)} checks came to no verdict"
    return _conclude_success(record, strict=strict)


def _unjudged(record: RunRecord) -> str:
    """How many checks the run ended before, so that nobody takes the broken promises for all of them."""
    count = len(record.unfinished)
    return f"; the run ended before {count} of them came to a verdict" if count else ""


def _conclude_success(record: RunRecord, *, strict: bool) -> tuple[ExitCode, str]:
    """What a run without an unexpected failure amounts to."""
    known = len(record.having("known_failure"))
    if strict and known:
        return ExitCode.NOT_CONFORMANT, f"not conformant: {_known(known)}, which this profile counts as failed"
    if record.outdated:
        names = ", ".join(entry.subject for entry in record.outdated)
        return ExitCode.USAGE, f"declared as known failures, and nothing fails so any more: {names}; remove them"
    if known:
        return ExitCode.CONFORMANT, f"conformant except {_known(known)}; not a certificate"
    if not record.having("passed", "passed_on_retry"):
        which = "no check of what decides conformance" if _seen(record) else "no check"
        told = (f"{which} came to a verdict: nothing can be concluded", _seen(record))
        return ExitCode.INVALID, "; ".join(filter(None, told))
    return ExitCode.CONFORMANT, "; ".join(filter(None, ("conformant in all that was judged", _seen(record))))


def _known(count: int) -> str:
    return "one known failure" if count == 1 else f"{count} known failures"


def _seen(record: RunRecord) -> str:
    """What was seen that judges nobody, so that nobody takes the verdict for more than it says."""
    seen = sorted(
        {final.failure.requirement for check in record.having("failed") if (final := check.final) and final.failure}
    )
    if not seen:
        return ""
    count = f"{len(seen)} weaknesses were" if len(seen) > 1 else "one weakness was"
    return f"{count} seen in what judges nobody: {', '.join(seen)}"


def _blame(check: CheckRecord) -> Blame:
    final = check.final
    return final.failure.blame if final and final.failure else "harness"


def _decides(check: CheckRecord, catalogue: Catalogue) -> bool:
    """Whether the broken requirement is one that decides conformance; `observe` and `may` are reported and judge nobody."""
    final = check.final
    return not (final and final.failure and not catalogue.get(final.failure.requirement).decides)


def _broken(verdict: NotConformant | None, declaration: CheckDeclaration, catalogue: Catalogue) -> str:
    if verdict and verdict.requirement:
        return verdict.requirement
    deciding = [name for name in declaration.requirements if catalogue.get(name).decides]
    return (deciding or list(declaration.requirements))[0]


def _raised_by_harness(trace: TracebackType | None) -> bool:
    """Whether the innermost frame is the harness's own code."""
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return _is_harness(Path(trace.tb_frame.f_code.co_filename))


def _is_harness(file: Path) -> bool:
    return file.is_relative_to(_HARNESS) and not file.is_relative_to(_HARNESS / "_data")


def _sentence(error: BaseException) -> str:
    """An exception in words: an assertion's explanation as it is, anything else with its type."""
    text = " ".join(str(error).split())
    if isinstance(error, AssertionError | pytest.fail.Exception) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
