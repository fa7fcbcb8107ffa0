"""A report that was handed in, and what is objected to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.engine.events import AnyEvent
from harness.engine.record import RunRecord
from harness.reporting.conformance import ConformanceReport


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a report is refused."""

    rule: str
    expected: str
    found: str
    mend: str

    def __str__(self) -> str:
        return f"{self.rule}: expected {self.expected}; found {self.found}. {self.mend}"


@dataclass(frozen=True, slots=True)
class Submission:
    """What lies in a folder: the report as it was written, as it is understood, and the journal."""

    folder: Path
    document: Mapping[str, Any]
    report: ConformanceReport
    events: list[AnyEvent]
    record: RunRecord


AGAIN: Final = "Run the suite again and submit the folder as it was written."
