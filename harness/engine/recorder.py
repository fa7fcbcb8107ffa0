"""What a check may write into the run journal while it runs."""

from typing import Protocol

from harness.client.exchange import Exchange


class Recorder(Protocol):
    """The journal as one check sees it; the engine's implementation redacts before anything is written."""

    def exchange(self, exchange: Exchange) -> None:
        """Keep one exchange as evidence."""

    def characteristic(self, name: str, value: float, unit: str) -> None:
        """Publish a measured fact beside the verdicts."""
