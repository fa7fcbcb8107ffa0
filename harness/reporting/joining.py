"""Joining the journals of shards into that of one run."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from harness.engine.continuation import first_difference
from harness.engine.events import AnyEvent, RunFinished, RunStarted, SuiteCollected, encode
from harness.engine.journal import JOURNAL, discard, read_journal
from harness.engine.record import RunRecord
from harness.engine.verdict import conclude
from harness.outcome import EnvironmentFault, ExitCode, UsageFault
from harness.spec.catalogue import catalogue
from harness.spec.profile import profile_named

_FAILED = ("failed", "known_failure")


def join(folders: Sequence[Path], *, resumed: bool = False) -> list[AnyEvent]:
    """One journal of several. Of a check that ran in more than one, as the canary does, a verdict that failed counts, else the first.

    `resumed`: the first run was interrupted, and the others went on where it ended. Raises UsageFault when another one never ended, or
    the runs are not parts of one.
    """
    runs = [(folder, read_journal(folder)) for folder in folders]
    records = [RunRecord.of(events) for _, events in runs]
    first = _agreed(folders, records, resumed=resumed)
    owner = _owners(records)
    joined: list[AnyEvent] = [first]
    for index, (_, events) in enumerate(runs):
        joined += [event for event in events if _belongs(event, index, owner)]
    chosen = owner.keys()
    proofs = records[0].proofs
    deselected = tuple(check for check in proofs if check not in chosen)
    joined.append(SuiteCollected(at=first.at, proofs=proofs, deselected=deselected))
    joined.sort(key=lambda event: (event.at, not isinstance(event, RunStarted)))
    return [*joined, _end(joined, records, resumed=resumed)]


def write_joined(events: Sequence[AnyEvent], out: Path) -> None:
    """Put the journal into a folder of its own. Raises EnvironmentFault when that cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        discard(out)
        (out / JOURNAL).write_bytes(b"".join(map(encode, events)))
    except OSError as error:
        raise EnvironmentFault(f"cannot write the out folder {out}: {error.strerror}") from error


def _agreed(folders: Sequence[Path], records: Sequence[RunRecord], *, resumed: bool) -> RunStarted:
    starts = []
    for folder, record in zip(folders, records, strict=True):
        if record.started is None:
            raise UsageFault(f"the run in {folder} never began to judge: run it again")
        if record.finished is None and not (resumed and folder == folders[0]):
            raise UsageFault(f"the run in {folder} never ended: run that shard again, or resume it")
        starts.append(record.started)
    for folder, record, start in zip(folders, records, starts, strict=True):
        difference = first_difference(start, starts[0])
        if difference:
            name, its, first = difference
            raise UsageFault(f"{folder} and {folders[0]} are no parts of one run: {name} is {its!r} and {first!r}")
        if record.proofs != records[0].proofs:
            raise UsageFault(f"{folder} and {folders[0]} are no parts of one run: their suites differ")
    if not resumed:
        _refuse_gaps(folders, starts)
    earliest = min(starts, key=lambda start: start.at)
    return msgspec.structs.replace(starts[0], at=earliest.at)


def _refuse_gaps(folders: Sequence[Path], starts: Sequence[RunStarted]) -> None:
    """A whole with a shard missing, or with one given twice, would say less than it seems to."""
    dealt: dict[str, Path] = {}
    for folder, start in zip(folders, starts, strict=True):
        shard = _shard(start)
        if shard is None:
            return  # dealt out by hand: nobody but whoever did knows how many there are
        if shard in dealt:
            raise UsageFault(f"{folder} and {dealt[shard]} are both shard {shard}: give each shard once")
        dealt[shard] = folder
    counts = {shard.partition("/")[2] for shard in dealt}
    if len(counts) > 1:
        raise UsageFault(f"these are shards of several runs: {', '.join(dealt)}")
    count = int(counts.pop())
    missing = [name for number in range(1, count + 1) if (name := f"{number}/{count}") not in dealt]
    if missing:
        raise UsageFault(f"shard {missing[0]} is missing: {len(dealt)} of {count} were given")


def _shard(start: RunStarted) -> str | None:
    """`I/N`, as the run was told on its command line."""
    words = [word for argument in start.arguments for word in argument.partition("=")[::2] if word]
    told = [after for before, after in pairwise(words) if before == "--maas-shard"]
    return told[-1] if told else None


def _owners(records: Sequence[RunRecord]) -> dict[str, int]:
    owner: dict[str, int] = {}
    for index, record in enumerate(records):
        for check_id, check in record.checks.items():
            known = records[owner[check_id]].checks[check_id].outcome if check_id in owner else None
            if check_id not in owner or known is None or (check.outcome in _FAILED and known not in _FAILED):
                owner[check_id] = index
    return owner


def _belongs(event: AnyEvent, index: int, owner: dict[str, int]) -> bool:
    if isinstance(event, RunStarted | RunFinished | SuiteCollected):
        return False
    check_id = getattr(event, "check_id", None)
    return check_id is None or owner.get(check_id) == index


def _end(events: Sequence[AnyEvent], records: Sequence[RunRecord], *, resumed: bool) -> RunFinished:
    """The end of the whole, which follows from all checks; a part that was invalid voids it, unless it is the interrupted one."""
    record = RunRecord.of(events)
    assert record.started is not None, "the joined run begins with its start"
    profile = profile_named(record.started.profile)
    code, reason = conclude(record, interrupted=None, strict=profile.strict, catalogue=catalogue())
    ends = [found.finished for found in records if found.finished]
    invalid = [end for end in ends[1 if resumed and records[0].finished else 0 :] if end.exit_code == ExitCode.INVALID]
    return RunFinished(
        at=max(event.at for event in events),
        duration_s=round(sum(end.duration_s for end in ends), 3),
        exit_code=invalid[0].exit_code if invalid else int(code),
        reason=invalid[0].reason if invalid else reason,
    )
