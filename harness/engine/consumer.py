"""What reads the run journal while it grows: the seam between the engine and the reports."""

from typing import Protocol

from harness.engine.events import AnyEvent
from harness.engine.record import RunRecord


class Consumer(Protocol):
    """A reader of the journal; it may not fail a run, and it learns of checks from nothing else."""

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Take one event, in order of arrival; `record` has it already."""

    def finish(self, record: RunRecord) -> None:
        """Write the final form. Called again when a later event corrected the run's end: it replaces what it wrote."""
