"""How long the platform took to answer, over all exchanges of a run."""

from dataclasses import dataclass, field

from harness.engine.events import ExchangeRecorded


@dataclass(slots=True)
class Timing:
    """Samples in milliseconds, by what they measure."""

    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, exchange: ExchangeRecorded) -> None:
        """Sort one exchange in; those that failed on the way measure nothing."""
        if exchange.status is None:
            return
        if exchange.status < 400:
            name = "answer, streamed" if exchange.ttft_s is not None else "answer in one piece"
        else:
            name = f"refusal with {exchange.status}"
        self.samples.setdefault(name, []).append(exchange.duration_s * 1000)
        if exchange.ttft_s is not None and exchange.status < 400:
            self.samples.setdefault("time to first token", []).append(exchange.ttft_s * 1000)
