"""The rules that a report is verified by: every file of the folder must follow from the journal, and the journal from itself."""

import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from harness.engine.events import CheckFinished, CheckPlanned, CheckStarted, DiagnosticsTaken, RunFinished, RunStarted
from harness.engine.journal import JOURNAL
from harness.engine.redaction import files_with_credentials
from harness.engine.verdict import conclude
from harness.outcome import ExitCode
from harness.reporting.certificate import EVIDENCE, WHERE_FAILED, digests, report_of
from harness.reporting.conformance import ConformanceReport
from harness.reporting.objection import AGAIN, Objection, Submission
from harness.reporting.regenerate import regenerate
from harness.reporting.signature import Signed
from harness.reporting.signing_key import PublicKey
from harness.spec.catalogue import catalogue
from harness.spec.profile import profiles

CLOCK_SLACK_S: Final = 2.0
"""A check's own clock and the journal's may differ by so much."""


def same_suite(given: Submission, suite_digest: str) -> Iterable[Objection]:
    """V003: reports of another suite say nothing that this one could check."""
    known = {"catalogue": catalogue().digest, "checks": suite_digest}
    claimed = {"catalogue": given.report.suite.catalogue, "checks": given.report.suite.checks}
    for name, digest in known.items():
        if claimed[name] != digest:
            yield Objection(
                "V003",
                f"the {name} of this suite ({digest[:16]})",
                claimed[name][:16] or "none",
                f"Verify with the suite that judged: version {given.report.suite.version}.",
            )


def _evidence(given: Submission) -> Iterable[Objection]:
    actual = digests(given.folder)
    for name in EVIDENCE:
        claimed = given.report.evidence.get(name)
        if name in WHERE_FAILED and claimed is None and name not in actual:
            continue
        if name not in actual:
            yield Objection("V004", f"{name} in the folder", "nothing", AGAIN)
        elif claimed != actual[name]:
            yield Objection(
                "V004", f"{name} with the digest of the report ({(claimed or 'none')[:23]})", actual[name][:23], AGAIN
            )
    for name in sorted(given.report.evidence.keys() - set(EVIDENCE)):
        yield Objection("V004", "digests of the known evidence alone", name, AGAIN)


def _journal_in_order(given: Submission) -> Iterable[Objection]:
    """What no real run writes: verdicts without a start, times that run backwards, two beginnings."""
    content = (given.folder / JOURNAL).read_bytes()
    lines = content.splitlines()
    if len(lines) != len(given.events) or not content.endswith(b"\n"):
        yield Objection("V005", "a journal of whole lines", "one that breaks off", AGAIN)
        return
    if [event.at for event in given.events] != [orjson.loads(line)["at"] for line in lines]:
        yield Objection("V005", "a journal in order of time", "times that run backwards", AGAIN)
    for kind in (RunStarted, RunFinished):
        count = sum(isinstance(event, kind) for event in given.events)
        if count != 1:
            yield Objection("V005", f"one {kind.__name__}", str(count), AGAIN)
    start = given.record.started
    for entry in given.record.declared.values():
        if start and datetime.fromtimestamp(start.at, UTC).date().isoformat() > entry.expires:
            yield Objection(
                "V005", f"known failures in force when the run began, and not {entry.subject}", entry.expires, AGAIN
            )
    yield from _verdicts_in_order(given)


def _verdicts_in_order(given: Submission) -> Iterable[Objection]:
    begun: dict[tuple[str, int], float] = {}
    mourned = {(event.check_id, event.attempt) for event in given.events if isinstance(event, DiagnosticsTaken)}
    planned = {event.check_id for event in given.events if isinstance(event, CheckPlanned)}
    for event in given.events:
        if isinstance(event, CheckStarted):
            begun[event.check_id, event.attempt] = event.at
        elif isinstance(event, CheckFinished):
            yield from _finished_after_start(event, begun.get((event.check_id, event.attempt)), planned)
            if event.outcome != "failed" and (event.check_id, event.attempt) in mourned:
                yield Objection(
                    "V005", f"no evidence of a failure of {event.check_id}, which {event.outcome}", "some", AGAIN
                )


def _finished_after_start(event: CheckFinished, began: float | None, planned: set[str]) -> Iterable[Objection]:
    if event.check_id not in planned:
        yield Objection("V005", "verdicts of planned checks alone", event.check_id, AGAIN)
    elif began is None:
        yield Objection(
            "V005", f"a start of attempt {event.attempt} of {event.check_id}", "a verdict without one", AGAIN
        )
    elif abs(event.at - began - event.duration_s) > CLOCK_SLACK_S:
        took = f"{event.duration_s:.1f} s, though {event.at - began:.1f} s lie between start and verdict"
        yield Objection("V005", f"a duration of {event.check_id} that fits its times", took, AGAIN)
    if (event.outcome == "failed") != (event.failure is not None):
        yield Objection("V005", f"a failure exactly where {event.check_id} failed", event.outcome, AGAIN)


def _verdict_follows(given: Submission) -> Iterable[Objection]:
    end = given.record.finished
    profile = profiles().get(given.report.profile)
    if end is None or profile is None:
        yield Objection("V006", "a profile of this suite and an end", given.report.profile, AGAIN)
        return
    code, reason = conclude(given.record, interrupted=None, strict=profile.strict, catalogue=catalogue())
    if end.exit_code == ExitCode.CONFORMANT != code:
        yield Objection("V006", f"the verdict that follows from the checks: {reason}", end.reason, AGAIN)


def _report_follows(given: Submission) -> Iterable[Objection]:
    """All that is not the vendor's own to fill in has to be what the journal says."""
    try:
        made = report_of(given.record, dict(given.report.evidence))
    except ValueError as error:
        yield Objection("V007", "a journal from which the report follows", str(error), AGAIN)
        return
    yield from _same_product(given.report, made)
    told, follows = (_comparable(report) for report in (given.report, made))
    for where, expected, found in _differences(follows, told, ""):
        yield Objection("V007", f"{where} as the journal has it ({_short(expected)})", _short(found), AGAIN)


def _same_product(told: ConformanceReport, made: ConformanceReport) -> Iterable[Objection]:
    """What the run was told of the product stays; what it was not told is the vendor's to fill in."""
    for name, value in made.implementation.model_dump(exclude_defaults=True).items():
        found = getattr(told.implementation, name)
        if found != value:
            yield Objection(
                "V007", f"implementation.{name} as the run was told ({_short(value)})", _short(found), AGAIN
            )


def _files_follow(given: Submission) -> Iterable[Objection]:
    """Every other file is made again from the journal and compared."""
    with tempfile.TemporaryDirectory() as scratch:
        again = Path(scratch)
        regenerate(given.events, again)
        remade, present = digests(again), digests(given.folder)
        for name in EVIDENCE:
            missing = name not in present and name in given.report.evidence  # which V004 has said
            if name != JOURNAL and not missing and remade.get(name) != present.get(name):
                yield Objection("V008", f"{name} as it follows from the journal", "something else", AGAIN)


def complete(given: Submission, suite: Sequence[CheckPlanned]) -> Iterable[Objection]:
    """V009 and V010: nothing was left out, neither from the suite nor from the profile."""
    proofs = {check.check_id: check.requirements for check in suite}
    if dict(given.record.proofs) != proofs:
        missing = sorted(proofs.keys() - given.record.proofs.keys())
        yield Objection(
            "V009",
            f"the {len(suite)} checks of this suite",
            f"{len(given.record.proofs)} checks, without {missing[0]}" if missing else "other checks",
            "Run the whole suite, from the packaged scenarios.",
        )
    profile, rows = profiles()[given.report.profile], catalogue()
    wanted = [
        check.check_id
        for check in suite
        if check.canary or profile.selects([rows.get(name) for name in check.requirements], frozenset(check.needs))
    ]
    absent = [check for check in wanted if check not in given.record.checks]
    if absent:
        yield Objection(
            "V010",
            f"all {len(wanted)} checks of profile {given.report.profile}",
            f"{len(absent)} left out, {absent[0]} among them",
            "Run without -k and --area.",
        )


def accepted(given: Submission, now: datetime) -> Iterable[Objection]:
    """V011 to V014: what is true of a consistent report and still keeps it from being accepted."""
    result = given.report.result
    if not result.conformant:
        mend = "Mend what is known to fail, too" if result.known_failures else "Mend the platform"
        yield Objection("V011", "a conformant run", result.reason, f"{mend}, and run again.")
    if profiles()[given.report.profile].strict and result.passed_on_retry:
        yield Objection("V012", "no check that passed on retry", str(result.passed_on_retry), "Run without --retries.")
    if now > given.report.valid_until:
        yield Objection(
            "V013", "a report that is still valid", f"valid until {given.report.valid_until:%Y-%m-%d}", AGAIN
        )
    leaking = files_with_credentials(given.folder, ())
    if leaking:
        yield Objection("V014", "no credential in any file", ", ".join(leaking), "Revoke it, and run again.")


def signed(found: Sequence[Signed | str], trusted: Sequence[PublicKey]) -> Iterable[Objection]:
    """V015: a signature that is there has to fit the files, and where a key is trusted, one has to be that key's."""
    again = "Sign the folder as it is now: report sign."
    for entry in found:
        if isinstance(entry, str):
            yield Objection("V015", "signatures over this report alone", entry, again)
        elif entry.differing:
            many = (
                f"{entry.differing[0]} and {len(entry.differing) - 1} more"
                if entry.differing[1:]
                else entry.differing[0]
            )
            yield Objection("V015", "files as they were signed", f"{many} changed, added or removed afterwards", again)
    if trusted and not any(isinstance(entry, Signed) and entry.by for entry in found):
        names = " or ".join(f"{key.name} ({key.fingerprint})" for key in trusted)
        claimed = [keyid for entry in found if isinstance(entry, Signed) for keyid in entry.keyids]
        other = f"a signature that is not theirs, claimed for {claimed[0]}" if claimed else "no signature"
        yield Objection("V015", f"a signature by {names}", other, "Ask the vendor to sign the folder: report sign.")


def _comparable(report: ConformanceReport) -> dict[str, Any]:
    """Without the places that are the vendor's own."""
    document = report.model_dump(mode="json")
    document.pop("implementation")
    for check in document["checks"]:
        if check["failure"]:
            check["failure"].pop("comment")
    return document


def _differences(expected: Any, found: Any, where: str) -> Iterable[tuple[str, Any, Any]]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in expected.keys() | found.keys():
            yield from _differences(expected.get(name), found.get(name), f"{where}.{name}".lstrip("."))
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (left, right) in enumerate(zip(expected, found, strict=True)):
            yield from _differences(left, right, f"{where}.{index}")
    elif expected != found:
        yield where, expected, found


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


CONSISTENCY: Final = (_evidence, _journal_in_order, _verdict_follows, _report_follows, _files_follow)
"""What holds of every folder that a run wrote, whatever its verdict."""
CONSISTENT: Final = frozenset({"V001", "V002", "V003", "V004", "V005", "V006", "V007", "V008", "V015"})
"""Rules whose breach means that the folder is not what a run of this suite wrote."""
