"""The words of a run's end, shared by every console: verdict, counts, failures with what is needed to repeat them."""

from collections import Counter
from typing import Final

from harness.client.trace import trace_id
from harness.engine.canary import SILENT_LIMITS
from harness.engine.events import Blame, Failure, Verdict
from harness.engine.record import CheckRecord, RunRecord
from harness.reporting.traced import traced
from harness.spec.catalogue import catalogue
from harness.spec.coverage import Uncovered
from harness.spec.requirement import Level

WORDS: Final[dict[Verdict, str]] = {
    "passed": "passed",
    "failed": "failed",
    "known_failure": "known failure",
    "not_runnable": "not runnable",
    "skipped": "skipped",
    "passed_on_retry": "passed on retry",
}
BLAMES: Final[dict[Blame, str]] = {
    "platform": "what is promised was compared with what came",
    "environment": "something did not answer or work in time; nothing is said about the promise",
    "harness": "a fault of ours, please report it; nothing is said about the promise",
}
"""What each answer to the question of whose fault it is means."""
LEVELS: Final[dict[Level, str]] = {
    "must": "breaking it makes a platform not conformant (core)",
    "should": "breaking it makes a platform not conformant in the extended profile",
    "may": "an option of the platform; judged only where it is offered",
    "observe": "recorded and published, and judges nobody",
}
"""What each level of a requirement means."""
_CODES = {
    0: "CONFORMANT",
    1: "NOT CONFORMANT",
    2: "USAGE",
    3: "ENVIRONMENT NOT READY",
    4: "FAULT OF THE HARNESS",
    5: "INVALID",
}


def title_of_code(code: int) -> str:
    """An exit code in capitals."""
    return _CODES.get(code, _CODES[4])


def title_of(record: RunRecord) -> str:
    """The verdict of a run in capitals; one with known failures is never called conformant without them."""
    code = record.finished.exit_code if record.finished else 5
    if code == 0 and record.counts["known_failure"]:
        return "CONFORMANT EXCEPT KNOWN FAILURES"
    return title_of_code(code)


def level_of(failure: Failure) -> Level | None:
    """Of the requirement that is broken; None where another catalogue judged."""
    rows = catalogue()
    return rows.get(failure.requirement).level if failure.requirement in rows else None


def decides(check: CheckRecord) -> bool:
    """Whether a failed check says something about conformance, as all do but those of rows that judge nobody."""
    failure = check.final.failure if check.final else None
    rows = catalogue()
    return failure is None or failure.requirement not in rows or rows.get(failure.requirement).decides


def is_weakness(check: CheckRecord) -> bool:
    """Whether a failed check saw what is recorded and decides nothing; one that came to no verdict has not seen anything."""
    failure = check.final.failure if check.final else None
    return failure is not None and failure.blame == "platform" and not decides(check)


def word_of(check: CheckRecord) -> str:
    """What a failed check is called where it is told."""
    return "KNOWN FAILURE" if check.known else "WEAKNESS" if is_weakness(check) else "FAILED"


def failures_line(failed: int, weaknesses: int) -> str:
    """`2 failed, 1 weakness`; empty without either."""
    noun = "weakness" if weaknesses == 1 else "weaknesses"
    return ", ".join([f"{failed} {WORDS['failed']}"] * bool(failed) + [f"{weaknesses} {noun}"] * bool(weaknesses))


def known_line(check: CheckRecord) -> str:
    """A failure that was declared beforehand: which, where it is tracked, until when, and why."""
    known, failure = check.known, check.final.failure if check.final else None
    if known is None or failure is None:
        return f"known failure: {check.planned.check_id}"
    comment = f" ({known.comment})" if known.comment else ""
    seen = f"expected {failure.expected}, observed {failure.observed}"
    return f"known failure: {check.planned.check_id}: {failure.requirement}: {seen}; {known.issue}, until {known.expires}{comment}"


def classes_line(record: RunRecord) -> str:
    """`29 passed, 2 failed, 1 weakness`: the classes that have occurred so far, what decides nothing apart from what failed."""
    weaknesses = sum(map(is_weakness, record.having("failed")))
    told = {outcome: f"{record.counts[outcome]} {word}" for outcome, word in WORDS.items() if record.counts[outcome]}
    if weaknesses:
        told["failed"] = failures_line(record.counts["failed"] - weaknesses, weaknesses)
    return ", ".join(told.values())


def counts_line(record: RunRecord) -> str:
    """The classes, and how many checks came to no verdict, of a run that has ended."""
    unfinished = f"{len(record.unfinished)} unfinished" if record.unfinished else ""
    return ", ".join(filter(None, (classes_line(record), unfinished))) or "no check ran"


def failure_lines(check: CheckRecord) -> list[str]:
    """Everything a person needs of one failure."""
    final = check.final
    failure = final.failure if final else None
    if failure is None:
        return [f"FAILED {check.planned.check_id}", "  without a recorded failure: see the traceback in the journal"]
    level = level_of(failure)
    named = [f"  level    {level}: {LEVELS[level]}"] if level else []
    return [
        f"{word_of(check)} {failure.title}",
        f"  check    {check.planned.check_id}",
        *named,
        *_told(failure),
        *_traced(check),
    ]


def gravity(check: CheckRecord) -> int:
    """What decides comes before what does not, and what says something about the platform before faults of others.

    A terminal shows the gravest last, where the eye is.
    """
    failure = check.final.failure if check.final else None
    return (tuple(BLAMES).index(failure.blame) if failure else len(BLAMES)) + (0 if decides(check) else len(BLAMES) + 1)


def canary_line(check: CheckRecord) -> str:
    """The loudest line of a run: what is so wrong that nothing else can be believed, and why it may be."""
    failure = check.final.failure if check.final else None
    of_limits = any(row.startswith("MAAS-RATE-") for row in check.planned.requirements)
    if failure is None or failure.blame != "platform":
        unknown = "limits enforce anything" if of_limits else "callers are told apart"
        return (
            f"!!! THE CANARY COULD NOT SING: whether {unknown} is not known, so believe no verdict that depends on it"
        )
    if not of_limits:
        return (
            f"!!! THE CANARY FAILED: expected {failure.expected}, observed {failure.observed}: believe no other verdict"
        )
    return f"!!! THE CANARY FAILED: {SILENT_LIMITS}" + (f". Seen here: {failure.detail}" if failure.detail else "")


def _told(failure: Failure) -> list[str]:
    lines = [f"  expected {failure.expected}", f"  observed {failure.observed}"]
    if failure.detail:
        lines.append(f"  detail   {failure.detail}")
    lines.append(f"  blame    {failure.blame}: {BLAMES[failure.blame]}")
    if failure.curl:
        lines.append(f"  repeat   {failure.curl}")
    return lines


def _traced(check: CheckRecord) -> list[str]:
    """The names under which the last request is found in the logs of gateways and servers."""
    last = check.exchanges[-1] if check.exchanges else None
    if last is None:
        return []
    headers = {name.lower(): value for name, value in last.request_headers.items()}
    trace = trace_id(headers.get("traceparent"))
    return [f"  trace    {trace + ', ' if trace else ''}request {last.request_id}"]


def summary_lines(record: RunRecord, out: str, verbosity: int) -> list[str]:
    """The end of a run: the canary first and loudly, then failures, what did not run, and the verdict as the last lines."""
    lines: list[str] = []
    for canary in record.broken_canaries:
        lines += [canary_line(canary), *failure_lines(canary)]
    for check in sorted(record.having("failed"), key=gravity, reverse=True):
        if not check.planned.canary:
            lines += failure_lines(check)
    lines += [known_line(check) for check in record.having("known_failure")]
    for failed in record.collection_failures:
        lines += [f"NOT COLLECTED {failed.where}", *(f"  {line}" for line in failed.problem.splitlines())]
    if verbosity >= 0:
        lines += _did_not_run(record) + _uncovered(record, verbosity)
    return lines + _verdict(record, out)


def _did_not_run(record: RunRecord) -> list[str]:
    reasons: dict[tuple[str, str], int] = Counter(
        (WORDS[check.final.outcome], check.final.reason or "")
        for check in record.having("not_runnable", "skipped")
        if check.final
    )
    lines = [f"{word} ({count}): {reason}" for (word, reason), count in reasons.items()]
    lines += [
        "the canary did not run, so whether limits enforce anything at all was not shown"
        for check in record.having("not_runnable", "skipped")
        if check.planned.canary
    ]
    lines += [
        f"passed on retry: {check.planned.check_id} ({len(check.attempts)} attempts)"
        for check in record.having("passed_on_retry")
    ]
    lines += [f"lost worker {lost.name}: {lost.reason}" for lost in record.lost_workers]
    lines += [f"left behind: {name}" for name in record.left_behind]
    return lines


def _uncovered(record: RunRecord, verbosity: int) -> list[str]:
    missing = traced(record).coverage.uncovered
    if not missing or not record.proofs:
        return []
    if verbosity > 0:
        return [_uncovered_line(entry) for entry in missing]
    reason, count = Counter(entry.reason for entry in missing).most_common(1)[0]
    others = f", {len(missing) - count} for other reasons" if count < len(missing) else ""
    return [f"requirements without a check: {len(missing)} ({count}: {reason}{others}; -v names each)"]


def _uncovered_line(entry: Uncovered) -> str:
    return f"no check for {entry.requirement.id} ({entry.requirement.level}): {entry.reason}"


def _verdict(record: RunRecord, out: str) -> list[str]:
    end, start = record.finished, record.started
    if end is None:
        return ["the run has not ended"]
    lines = []
    if start:
        coverage = traced(record).coverage
        ready = f"platform ready in {start.startup_s:.1f} s, " if start.startup_s is not None else ""
        lines.append(f"{counts_line(record)}; requirements with a check: {coverage.covered} of {coverage.total}")
        lines.append(
            f"target {start.target} ({start.stack}), profile {start.profile}; "
            f"{ready}checks in {_pace(record)}, {end.duration_s:.1f} s in all"
        )
    return [*lines, f"reports in {out}", f"{title_of(record)} (exit {end.exit_code}): {end.reason}"]


def _pace(record: RunRecord) -> str:
    seconds, done = traced(record).checks_s, sum(record.counts.values())
    return f"{seconds:.1f} s" + (f" ({done / seconds:.1f} a second)" if seconds > 0 else "")
