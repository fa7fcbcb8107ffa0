"""What a supervisor, or the administrative port of a single process, can ask of a serving process."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from mock_vllm.app import App
from mock_vllm.engine.pace import Timing
from mock_vllm.faults.faults import parse_faults
from mock_vllm.metrics.fakes import parse_fakes
from mock_vllm.metrics.scrape import snapshot


def _journal(app: App, text: str) -> dict[str, Any]:
    del text
    return {"batch": app.journal.drain(), "in_flight": app.in_flight}


def _faults(app: App, text: str) -> dict[str, Any]:
    if text:
        app.faults.replace(parse_faults(text))
    return {"faults": app.faults.rules, "struck": app.faults.struck}


def _timing(app: App, text: str) -> dict[str, Any]:
    """New times for requests that start from now on; fields left out keep their values."""
    for model in app.models:
        for engine in model.engines:
            if text:
                fields = {**msgspec.structs.asdict(engine.timing), **msgspec.json.decode(text, type=dict[str, Any])}
                try:
                    engine.retime(msgspec.convert(fields, Timing))
                except msgspec.ValidationError as error:
                    raise ValueError(f"the times do not fit: {error}") from None
    return msgspec.structs.asdict(app.base.engines[0].timing)


def _fakes(app: App, text: str) -> dict[str, Any]:
    if text:
        app.fakes = parse_fakes(text, app.clock.now())
    return app.fakes.wanted


def _metrics(app: App, text: str) -> dict[str, Any]:
    del text
    return snapshot(app)


OPERATIONS: Final[dict[str, Callable[[App, str], dict[str, Any]]]] = {
    "journal": _journal,
    "faults": _faults,
    "timing": _timing,
    "fake-metrics": _fakes,
    "metrics": _metrics,
}


def perform(app: App, operation: str, text: str) -> dict[str, Any]:
    """Do one operation in this process. Raises ValueError with one sentence when `text` does not fit."""
    return OPERATIONS[operation](app, text)
