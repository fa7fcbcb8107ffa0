"""`kubectl logs`: what the process behind a Pod has written.

The kubelet stand-in names the file in an annotation of the Pod. An annotation is anybody's to write, so the file has to be what the
stand-in makes: `logs/NAMESPACE_POD.log`, a plain file of this server's own user. Nothing else is ever read.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from harness.simulator.kubeapi.asgi import Response
from harness.simulator.kubeapi.exchange import Exchange
from harness.simulator.kubeapi.requests import live, main_write
from harness.simulator.kubeapi.status import ApiError, bad_request

ANNOTATION = "maas-conformance.dev/log"
MEDIA = "text/plain; charset=utf-8"
POLL_SECONDS = 0.2
_CHUNK = 1 << 16


def answer(exchange: Exchange) -> Response:
    """The log of a Pod, whole, from its tail, or followed. Raises ApiError 400 or 404."""
    pod = live(exchange.cluster, main_write(exchange.write())).decode()
    container = _container(pod, exchange.request.query.get("container", ""))
    if exchange.request.flag("previous"):
        raise bad_request(f'previous terminated container "{container}" in pod "{pod["metadata"]["name"]}" not found')
    if exchange.request.flag("timestamps"):
        raise bad_request("timestamps are not kept in the logs of this server; ask without timestamps")
    path = log_file(pod)
    if path is None:
        name = pod["metadata"]["name"]
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: ContainerCreating')
    start = _tail_start(path, _limit(exchange, "tailLines"))
    limit = _limit(exchange, "limitBytes")
    if exchange.request.flag("follow"):
        return Response(200, media=MEDIA, stream=_follow(exchange, path, start))
    with path.open("rb") as file:
        file.seek(start)
        return Response(200, file.read(-1 if limit is None else limit), MEDIA)


def _limit(exchange: Exchange, name: str) -> int | None:
    text = exchange.request.query.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 12:
        raise bad_request(f"{name} must be a whole number that is not negative, not {text[:40]!r}")
    return int(text)


def _container(pod: dict[str, Any], asked: str) -> str:
    name = pod["metadata"]["name"]
    names = [each["name"] for each in pod.get("spec", {}).get("containers") or ()]
    if asked and asked not in names:
        raise bad_request(f"container {asked} is not valid for pod {name}")
    if not asked and len(names) > 1:
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    return asked or (names[0] if names else "")


def log_file(pod: dict[str, Any]) -> Path | None:
    """The file behind a Pod's log, None when there is none that may be read."""
    meta = pod["metadata"]
    text = (meta.get("annotations") or {}).get(ANNOTATION)
    if not text:
        return None
    path = Path(text)
    if path.name != f"{meta['namespace']}_{meta['name']}.log" or path.parent.name != "logs":
        return None
    try:
        facts = path.lstat()
    except (OSError, ValueError):
        return None
    return path if stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() else None


def _tail_start(path: Path, lines: int | None) -> int:
    """Where the last lines begin."""
    if lines is None:
        return 0
    with path.open("rb") as file:
        position = end = file.seek(0, os.SEEK_END)
        wanted = lines
        while position > 0:
            size = min(_CHUNK, position)
            position -= size
            file.seek(position)
            chunk = file.read(size)
            at = len(chunk)
            while (found := chunk.rfind(b"\n", 0, at)) >= 0:
                # A newline at the very end closes the last line and begins none.
                if position + found != end - 1:
                    wanted -= 1
                if wanted <= 0:
                    return position + found + 1 if lines else end
                at = found
        return 0 if lines else end


async def _follow(exchange: Exchange, path: Path, start: int) -> AsyncIterator[bytes]:
    """What is written from now on, until the Pod is gone or the server closes."""
    write = main_write(exchange.write())
    with path.open("rb") as file:
        file.seek(start)
        while not exchange.cluster.closing:
            chunk = file.read(_CHUNK)
            if chunk:
                yield chunk
                continue
            try:
                live(exchange.cluster, write)
            except ApiError:
                return
            await asyncio.sleep(POLL_SECONDS)
