"""Joining the journals of shards into that of one run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.engine.events import AnyEvent, RunFinished, RunStarted, SuiteCollected, encode
from harness.engine.journal import JOURNAL, discard, read_journal
from harness.engine.record import RunRecord
from harness.engine.verdict import conclude
from harness.outcome import EnvironmentFault, UsageFault
from harness.spec.catalogue import catalogue
from harness.spec.profile import profile_named

SAME: Final = (
    "target",
    "stack",
    "profile",
    "suite_version",
    "suite_digest",
    "catalogue_digest",
    "parameters",
    "versions",
)
"""What shards of one run agree in."""


def join(folders: Sequence[Path]) -> list[AnyEvent]:
    """One journal of several. Of a check that ran in more than one, as the canary does, a verdict that failed counts, else the first.

    Raises UsageFault when a folder holds no finished run, or the runs are not parts of one.
    """
    runs = [(folder, read_journal(folder)) for folder in folders]
    records = [RunRecord.of(events) for _, events in runs]
    first = _agreed(folders, records)
    owner = _owners(records)
    joined: list[AnyEvent] = [first]
    for index, (_, events) in enumerate(runs):
        joined += [event for event in events if _belongs(event, index, owner)]
    chosen = owner.keys()
    proofs = records[0].proofs
    deselected = tuple(check for check in proofs if check not in chosen)
    joined.append(SuiteCollected(at=first.at, proofs=proofs, deselected=deselected))
    joined.sort(key=lambda event: (event.at, not isinstance(event, RunStarted)))
    return [*joined, _end(joined, records)]


def write_joined(events: Sequence[AnyEvent], out: Path) -> None:
    """Put the journal into a folder of its own. Raises EnvironmentFault when that cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        discard(out)
        (out / JOURNAL).write_bytes(b"".join(map(encode, events)))
    except OSError as error:
        raise EnvironmentFault(f"cannot write the out folder {out}: {error.strerror}") from error


def _agreed(folders: Sequence[Path], records: Sequence[RunRecord]) -> RunStarted:
    starts = []
    for folder, record in zip(folders, records, strict=True):
        if record.started is None or record.finished is None:
            raise UsageFault(f"the run in {folder} never ended: run that shard again")
        starts.append(record.started)
    for folder, record, start in zip(folders, records, starts, strict=True):
        for name in SAME:
            if getattr(start, name) != getattr(starts[0], name):
                raise UsageFault(
                    f"{folder} and {folders[0]} are no parts of one run: {name} is {getattr(start, name)!r} "
                    f"and {getattr(starts[0], name)!r}"
                )
        if record.proofs != records[0].proofs:
            raise UsageFault(f"{folder} and {folders[0]} are no parts of one run: their suites differ")
    earliest = min(starts, key=lambda start: start.at)
    return msgspec.structs.replace(starts[0], at=earliest.at)


def _owners(records: Sequence[RunRecord]) -> dict[str, int]:
    owner: dict[str, int] = {}
    for index, record in enumerate(records):
        for check_id, check in record.checks.items():
            if check_id not in owner or (
                check.outcome == "failed" and records[owner[check_id]].checks[check_id].outcome != "failed"
            ):
                owner[check_id] = index
    return owner


def _belongs(event: AnyEvent, index: int, owner: dict[str, int]) -> bool:
    if isinstance(event, RunStarted | RunFinished | SuiteCollected):
        return False
    check_id = getattr(event, "check_id", None)
    return check_id is None or owner.get(check_id) == index


def _end(events: Sequence[AnyEvent], records: Sequence[RunRecord]) -> RunFinished:
    record = RunRecord.of(events)
    assert record.started is not None, "the joined run begins with its start"
    profile = profile_named(record.started.profile)
    code, reason = conclude(record, interrupted=None, strict=profile.strict, catalogue=catalogue())
    worst = [found.finished for found in records if found.finished and found.finished.exit_code > 1]
    if worst:  # a shard that proved nothing leaves the whole without a proof
        code_of_worst = max(worst, key=lambda end: end.exit_code)
        exit_code, reason = code_of_worst.exit_code, code_of_worst.reason
    else:
        exit_code = int(code)
    duration_s = sum(found.finished.duration_s for found in records if found.finished)
    return RunFinished(
        at=max(event.at for event in events), duration_s=round(duration_s, 3), exit_code=exit_code, reason=reason
    )
