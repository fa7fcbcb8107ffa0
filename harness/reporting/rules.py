"""The rules that a report is verified by: every file of the folder must follow from the journal, and the journal from itself."""

import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from harness.engine.events import CheckPlanned
from harness.engine.journal import JOURNAL
from harness.engine.redaction import files_with_credentials
from harness.engine.verdict import conclude
from harness.outcome import ExitCode
from harness.reporting.certificate import EVIDENCE, NAME, WHERE_FAILED, digests, report_of
from harness.reporting.conformance import ConformanceReport
from harness.reporting.journal_rules import journal_of_a_run
from harness.reporting.objection import AGAIN, Objection, Submission
from harness.reporting.regenerate import regenerate
from harness.reporting.signature import SIGNATURES, Signed, predicate_of
from harness.reporting.signing_key import PublicKey
from harness.spec.catalogue import catalogue
from harness.spec.profile import profiles

CLOCKS_DIFFER: Final = timedelta(hours=1)
"""The clock of the machine that ran and that of the one that verifies may differ by so much."""


def same_suite(given: Submission, suite_digest: str) -> Iterable[Objection]:
    """V003: reports of another suite say nothing that this one could check."""
    claimed = given.report.suite.model_dump()
    known = {"catalogue": catalogue().digest, "checks": suite_digest, "version": version("maas-conformance")}
    for name, digest in known.items():
        if claimed[name] != digest:
            yield Objection(
                "V003",
                f"the {name} of this suite ({digest[:16]})",
                claimed[name][:16] or "none",
                f"Verify with the suite that judged: version {given.report.suite.version}.",
            )


def plain_files(folder: Path) -> Iterable[Objection]:
    """V004: files themselves, since what a link leads to is another thing tomorrow, and a pipe never ends."""
    for name in (NAME, *EVIDENCE, SIGNATURES):
        path = folder / name
        for found in (path, *path.rglob("*")):
            if found.is_symlink() or (found.exists() and not (found.is_file() or found.is_dir())):
                yield Objection(
                    "V004",
                    f"{found.relative_to(folder)} as a file",
                    "a link, a pipe or a device",
                    "Submit copies of all files.",
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


_CONCLUSIONS: Final = frozenset({ExitCode.CONFORMANT, ExitCode.NOT_CONFORMANT})
"""Ends that say something of the platform; what ended a run otherwise (a signal, a dead worker) its checks do not tell."""


def _verdict_follows(given: Submission) -> Iterable[Objection]:
    end = given.record.finished
    profile = profiles().get(given.report.profile)
    if end is None or profile is None:
        yield Objection("V006", "a profile of this suite and an end", given.report.profile, AGAIN)
        return
    code, reason = conclude(given.record, interrupted=None, strict=profile.strict, catalogue=catalogue())
    if end.exit_code in _CONCLUSIONS and (end.exit_code, end.reason) != (code, reason):
        yield Objection("V006", f"the verdict that follows from the checks: {reason}", end.reason, AGAIN)


def _report_follows(given: Submission) -> Iterable[Objection]:
    """All that is not the vendor's own to fill in has to be what the journal says."""
    try:
        made = report_of(given.record, dict(given.report.evidence))
    except ValueError as error:
        yield Objection("V007", "a journal from which the report follows", _short(" ".join(str(error).split())), AGAIN)
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
        try:
            regenerate(given.events, again)
        except ValueError:
            return  # a journal from which no report follows, which V007 has said
        remade, present = digests(again), digests(given.folder)
        for name in EVIDENCE:
            missing = name not in present and name in given.report.evidence  # which V004 has said
            if name != JOURNAL and not missing and remade.get(name) != present.get(name):
                yield Objection("V008", f"{name} as it follows from the journal", "something else", AGAIN)


DECLARED: Final = ("requirements", "needs", "title", "canary", "alone", "file", "line")
"""What a check is, wherever it is collected."""


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
    yield from _as_declared(given, suite)
    absent = [check for check in wanted if check not in given.record.checks]
    if absent:
        yield Objection(
            "V010",
            f"all {len(wanted)} checks of profile {given.report.profile}",
            f"{len(absent)} left out, {absent[0]} among them",
            "Run without -k and --area.",
        )


def _as_declared(given: Submission, suite: Sequence[CheckPlanned]) -> Iterable[Objection]:
    """A check proves, needs and is called what the suite says; only whether it can run is the platform's affair."""
    declared = {check.check_id: check for check in suite}
    for check_id, check in given.record.checks.items():
        own = declared.get(check_id)
        for name in DECLARED if own else ():
            expected, found = getattr(own, name), getattr(check.planned, name)
            if expected != found:
                yield Objection(
                    "V009", f"{name} of {check_id} as the suite has it ({_short(expected)})", _short(found), AGAIN
                )


def accepted(given: Submission, now: datetime) -> Iterable[Objection]:
    """V011 to V014: what is true of a consistent report and still keeps it from being accepted."""
    result = given.report.result
    if not result.conformant:
        mend = "Mend what is known to fail, too" if result.known_failures else "Mend the platform"
        yield Objection("V011", "a conformant run", result.reason, f"{mend}, and run again.")
    if profiles()[given.report.profile].strict and result.passed_on_retry:
        yield Objection("V012", "no check that passed on retry", str(result.passed_on_retry), "Run without --retries.")
    if given.report.run.finished_at > now + CLOCKS_DIFFER:
        yield Objection(
            "V013", "a run that is over", f"one that ends on {given.report.run.finished_at:%Y-%m-%d}", AGAIN
        )
    if now > given.report.valid_until:
        yield Objection(
            "V013", "a report that is still valid", f"valid until {given.report.valid_until:%Y-%m-%d}", AGAIN
        )
    leaking = files_with_credentials(given.folder, ())
    if leaking:
        yield Objection("V014", "no credential in any file", ", ".join(leaking), "Revoke it, and run again.")


def signed(
    given: ConformanceReport, found: Sequence[Signed | str], trusted: Sequence[PublicKey]
) -> Iterable[Objection]:
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
        else:
            yield from _same_words(given, entry, again)
    if trusted and not any(isinstance(entry, Signed) and entry.by for entry in found):
        names = " or ".join(f"{key.name} ({key.fingerprint})" for key in trusted)
        claimed = [keyid for entry in found if isinstance(entry, Signed) for keyid in entry.keyids]
        other = f"a signature that is not theirs, claimed for {claimed[0]}" if claimed else "no signature"
        yield Objection("V015", f"a signature by {names}", other, "Ask the vendor to sign the folder: report sign.")


def _same_words(given: ConformanceReport, entry: Signed, again: str) -> Iterable[Objection]:
    """Who reads a signature alone must not learn another result from it than the report's."""
    follows = predicate_of(given, entry.signer, given.run.finished_at).model_dump(exclude={"signed_at", "signer"})
    for name, expected in follows.items():
        said = getattr(entry.predicate, name)
        if said != expected:
            yield Objection(
                "V015", f"a signature that says what the report says ({name}: {expected})", str(said), again
            )


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


SOUND: Final = (_evidence, journal_of_a_run)
"""What has to hold before anything can be made again from the journal."""
CONSISTENCY: Final = (_verdict_follows, _report_follows, _files_follow)
"""What holds besides of every folder that a run wrote, whatever its verdict."""
CONSISTENT: Final = frozenset({"V001", "V002", "V003", "V004", "V005", "V006", "V007", "V008", "V015"})
"""Rules whose breach means that the folder is not what a run of this suite wrote."""
