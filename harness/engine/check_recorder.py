"""The recorder that a check gets: writes its exchanges and measurements into the journal, masked."""

from collections import deque

from harness.client.curl import curl_line
from harness.client.exchange import Exchange
from harness.engine.events import CharacteristicMeasured, ExchangeRecorded
from harness.engine.journal import JournalPart
from harness.engine.redaction import redact

BODY_LIMIT = 4096
LATEST = 10
"""Exchanges whose entries in the books are kept with a failure."""


class CheckRecorder:
    """One check's way into the journal; `last` is its latest exchange, the evidence of a failure that names none.

    `request_ids` are those of all its exchanges, by which components' logs speak of them; `latest` are the last few, oldest first.
    """

    def __init__(self, part: JournalPart, check_id: str) -> None:
        self._part = part
        self._check_id = check_id
        self.last: Exchange | None = None
        self.latest: deque[Exchange] = deque(maxlen=LATEST)
        self.request_ids: set[str] = set()

    def exchange(self, exchange: Exchange) -> None:
        """Keep one exchange; bodies are cut to 4,096 characters after masking, so that no credential is cut in two."""
        self.last = exchange
        self.latest.append(exchange)
        self.request_ids.add(exchange.request_id)
        request = exchange.request
        self._part.write(
            ExchangeRecorded(
                at=self._part.now(),
                worker=self._part.worker,
                check_id=self._check_id,
                request_id=exchange.request_id,
                method=request.method,
                url=redact(request.url),
                request_headers={name: redact(value) for name, value in request.headers.items()},
                request_body=None if request.body is None else _text(request.body),
                status=exchange.status,
                response_headers=tuple((name, redact(value)) for name, value in exchange.headers),
                response_body=_text(exchange.body) or redact("\n".join(exchange.events))[:BODY_LIMIT],
                total_tokens=exchange.usage.total_tokens if exchange.usage else None,
                ttft_s=exchange.ttft_s,
                duration_s=exchange.duration_s,
                error=redact(exchange.error) if exchange.error else None,
                curl=redact(curl_line(request)),
            )
        )

    def characteristic(self, name: str, value: float, unit: str) -> None:
        """Publish a measured fact beside the verdicts."""
        self._part.write(
            CharacteristicMeasured(
                at=self._part.now(),
                worker=self._part.worker,
                check_id=self._check_id,
                name=name,
                value=value,
                unit=unit,
            )
        )


def _text(body: bytes) -> str:
    return redact(body.decode("utf-8", errors="replace"))[:BODY_LIMIT]
