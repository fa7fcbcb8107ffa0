"""`failures/`: for each failed check a folder with all that a person needs who was not there, ready to be attached to an issue."""

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
import orjson

from harness.client.trace import trace_id
from harness.engine.events import AnyEvent, ExchangeRecorded, encode
from harness.engine.record import CheckRecord, RunRecord
from harness.reporting.outline import failure_lines

FOLDER: Final = "failures"
NAME_LIMIT: Final = 100
_FAITHFUL: Final = re.compile(r"[^\[]*(\[[0-9a-z_.-]+\])?")
"""Ids of which a name can be made that no other id has: what stands in brackets may be anything, the rest is Python's."""


class BundleWriter:
    """Writes the folders at the end of a run, and removes those of an earlier one."""

    def __init__(self, out: Path) -> None:
        self._folder = out / FOLDER

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Nothing to write before the end."""

    def finish(self, record: RunRecord) -> None:
        """Replace them all."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for check in record.having("failed", "known_failure"):
            folder = self._folder / folder_name(check.planned.check_id)
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder, check)


def folder_name(check_id: str) -> str:
    """A check's id as a name that every file system takes.

    Where parts of it are lost (it is cut, or letters are replaced or differ in case alone), a digest keeps two checks apart.
    """
    name = re.sub(r"[^0-9A-Za-z_.-]+", "-", check_id.removeprefix("scenarios/")).strip("-")
    if len(name) <= NAME_LIMIT and _FAITHFUL.fullmatch(check_id):
        return name
    return f"{name[:NAME_LIMIT]}-{hashlib.sha256(check_id.encode()).hexdigest()[:8]}"


def _write(folder: Path, check: CheckRecord) -> None:
    text = "\n".join([*failure_lines(check), *_traces(check.exchanges)]) + "\n"
    (folder / "failure.txt").write_text(text, encoding="utf-8")
    failure = check.final.failure if check.final else None
    if failure and failure.curl:
        (folder / "repeat.sh").write_text(f"#!/bin/sh\n# export MAAS_KEY first\n{failure.curl}\n", encoding="utf-8")
    (folder / "exchanges.har").write_bytes(orjson.dumps(har(check.exchanges), option=orjson.OPT_INDENT_2))
    story: list[AnyEvent] = [
        check.planned, *check.started, *check.exchanges, *check.diagnostics, *check.characteristics, *check.attempts
    ]  # fmt: skip
    lines = (encode(event) for event in sorted(story, key=lambda event: event.at))
    (folder / "journal.ndjson").write_bytes(b"".join(lines))
    for taken in check.diagnostics[-1:]:
        (folder / "traceback.txt").write_text(taken.traceback, encoding="utf-8")
        (folder / "objects.json").write_bytes(
            orjson.dumps([msgspec.to_builtins(state) for state in taken.objects], option=orjson.OPT_INDENT_2)
        )
        if taken.books:
            (folder / "books.txt").write_text("\n".join(book_lines(taken.books)) + "\n", encoding="utf-8")
        for component, log in taken.logs.items():
            (folder / f"{folder_name(component)}.log").write_text(log, encoding="utf-8")


def book_lines(books: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    """The slice of each book of tokens, below its name."""
    for name, lines in books.items():
        yield f"book of the {name}"
        yield from (f"  {line}" for line in lines)


def _traces(exchanges: Iterable[ExchangeRecorded]) -> Iterable[str]:
    for exchange in exchanges:
        found = {name.lower(): value for name, value in exchange.request_headers.items()}
        names = f"{trace_id(found.get('traceparent')) or '-'} request {exchange.request_id}"
        yield f"  trace    {names}: {exchange.method} {exchange.url} {exchange.status or exchange.error}"


def har(exchanges: Iterable[ExchangeRecorded]) -> dict[str, Any]:
    """The exchanges as HTTP Archive 1.2; credentials were masked when they were recorded."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "maas-conformance", "version": version("maas-conformance")},
            "entries": [_entry(exchange) for exchange in exchanges],
        }
    }


def _entry(exchange: ExchangeRecorded) -> dict[str, Any]:
    duration_ms = exchange.duration_s * 1000
    waited_ms = (exchange.ttft_s or exchange.duration_s) * 1000
    media = next((value for name, value in exchange.response_headers if name.lower() == "content-type"), "")
    body = exchange.request_body
    posted = {} if body is None else {"postData": {"mimeType": "application/json", "text": body}}
    return {
        "startedDateTime": datetime.fromtimestamp(exchange.at - exchange.duration_s, UTC).isoformat(),
        "time": duration_ms,
        "request": {
            "method": exchange.method,
            "url": exchange.url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": name, "value": value} for name, value in exchange.request_headers.items()],
            "queryString": [{"name": name, "value": value} for name, value in parse_qsl(urlsplit(exchange.url).query)],
            "headersSize": -1,
            "bodySize": len(body.encode()) if body is not None else 0,
            **posted,
        },
        "response": {
            "status": exchange.status or 0,
            "statusText": exchange.error or "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": name, "value": value} for name, value in exchange.response_headers],
            "content": {
                "size": len(exchange.response_body.encode()),
                "mimeType": media,
                "text": exchange.response_body,
            },
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": waited_ms, "receive": max(0.0, duration_ms - waited_ms)},
    }
