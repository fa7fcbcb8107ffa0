"""A run's progress by area of the catalogue."""

from dataclasses import dataclass

from harness.engine.record import RunRecord
from harness.reporting.outline import is_weakness
from harness.spec.catalogue import catalogue


@dataclass(slots=True)
class AreaCount:
    """Checks of one area: planned, with a verdict, failed, and those that saw what decides nothing.

    A check belongs to the area of the first requirement that it proves.
    """

    name: str
    total: int = 0
    done: int = 0
    failed: int = 0
    weaknesses: int = 0


def areas_of(record: RunRecord) -> list[AreaCount]:
    """The areas of the planned checks, in the plan's order."""
    counts: dict[str, AreaCount] = {}
    for check_id, check in record.checks.items():
        name = area_of(record, check_id)
        area = counts.setdefault(name, AreaCount(name))
        area.total += 1
        area.done += check.outcome is not None
        weak = check.outcome == "failed" and is_weakness(check)
        area.failed += check.outcome == "failed" and not weak
        area.weaknesses += weak
    return list(counts.values())


def area_of(record: RunRecord, check_id: str) -> str:
    """The area of a planned check."""
    return catalogue().get(record.checks[check_id].planned.requirements[0]).area
