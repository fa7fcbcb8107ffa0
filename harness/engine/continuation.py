"""Whether two runs are parts of one: shards, or an interrupted run and the one that goes on with it."""

from pathlib import Path
from typing import Final

from harness.engine.events import RunStarted
from harness.engine.journal import read_journal
from harness.engine.record import RunRecord
from harness.outcome import UsageFault

SAME: Final = (
    "target",
    "stack",
    "identity",
    "profile",
    "suite_version",
    "suite_digest",
    "catalogue_digest",
    "parameters",
    "versions",
    "product",
)
"""What parts of one run agree in."""


def first_difference(one: RunStarted, other: RunStarted) -> tuple[str, object, object] | None:
    """The name of something in which they are not the same, and both values; None when they may be joined."""
    for name in SAME:
        values = getattr(one, name), getattr(other, name)
        if values[0] != values[1]:
            return name, *values
    return None


def refuse_another(interrupted: Path, start: RunStarted) -> None:
    """Before anything is judged: raises UsageFault when the interrupted run was of another platform, suite or configuration."""
    first = RunRecord.of(read_journal(interrupted)).started
    difference = first_difference(first, start) if first else None
    if difference:
        name, before, now = difference
        raise UsageFault(
            f"the run in {interrupted} cannot go on here: its {name.replace('_', ' ')} was {before!r} and is {now!r} now; "
            "resume it as it was begun, or run anew"
        )
