"""Reports that are written once, at a run's end, each from the whole record."""

from pathlib import Path

from harness.engine.events import AnyEvent
from harness.engine.record import RunRecord


class Document:
    """One file of the out folder, replaced as a whole; `content` is what a kind of report is."""

    name: str

    def __init__(self, out: Path) -> None:
        self._out = out

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Nothing to say before the end."""

    def finish(self, record: RunRecord) -> None:
        """Write it; a reader sees the old file or the new one, never half."""
        path = self._out / self.name
        temporary = path.with_name(f".{self.name}.tmp")
        temporary.write_bytes(self.content(record))
        temporary.replace(path)

    def content(self, record: RunRecord) -> bytes:
        """The file's bytes."""
        raise NotImplementedError
