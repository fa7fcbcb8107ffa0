"""Streams: watches that end with their client, logs of stand-in Pods."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness.simulator.kubeapi import watches
from harness.simulator.kubeapi.asgi import Application
from harness.simulator.kubeapi.logs import ANNOTATION
from harness.simulator.kubeapi.router import Router
from tests.kubeapi.in_process import Answer, InProcess

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


class Client:
    """One streaming request, whose end the test decides."""

    def __init__(self, server: InProcess, path: str, query: str) -> None:
        self._application = Application(server.cluster, Router(server.cluster, "127.0.0.1:6443").handle)
        headers = [(b"authorization", f"Bearer {server.given.admin_token}".encode())]
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
        }
        self._left = asyncio.Event()
        self._asked = False
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message.get("body"):
            await self.chunks.put(message["body"])

    def start(self) -> None:
        self.task = asyncio.create_task(self._application(self._scope, self._receive, self._send))

    def leave(self) -> None:
        self._left.set()


def test_a_watch_ends_when_its_client_leaves() -> None:
    async def run() -> None:
        server = InProcess()
        client = Client(server, MAPS, "watch=1&timeoutSeconds=600")
        client.start()
        assert b'"ADDED"' in await client.chunks.get()
        client.leave()
        assert client.task is not None
        await asyncio.wait_for(client.task, 60)

    asyncio.run(run())


@pytest.mark.parametrize("turns", range(4))
def test_a_watch_ends_when_its_client_leaves_in_the_moment_of_an_event(turns: int) -> None:
    async def run() -> bool:
        server = InProcess()
        client = Client(server, MAPS, "watch=1&timeoutSeconds=600")
        client.start()
        await client.chunks.get()
        await asyncio.sleep(0)  # by now it waits for more
        meta = {"name": "x", "namespace": "default", "uid": "u"}
        server.cluster.store.put(("", "configmaps"), {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta})
        for _ in range(turns):
            await asyncio.sleep(0)
        client.leave()
        assert client.task is not None
        done, _ = await asyncio.wait({client.task}, timeout=20)
        return client.task in done

    assert asyncio.run(run())


def test_an_idle_watch_sends_bookmarks_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "BOOKMARK_SECONDS", 0.01)

    async def run() -> tuple[bytes, int]:
        server = InProcess()
        asking, silent = (
            Client(server, MAPS, f"watch=1&resourceVersion=9&timeoutSeconds=600{more}")
            for more in ("&allowWatchBookmarks=true", "")
        )
        asking.start()
        silent.start()
        async with asyncio.timeout(5):
            while b"BOOKMARK" not in (line := await asking.chunks.get()):
                pass
        asking.leave()
        silent.leave()
        return line, sum(b"BOOKMARK" in silent.chunks.get_nowait() for _ in range(silent.chunks.qsize()))

    line, unasked = asyncio.run(run())
    assert b'"resourceVersion":"' in line
    assert unasked == 0


def test_a_closing_server_ends_its_watches() -> None:
    async def run() -> None:
        server = InProcess()
        client = Client(server, MAPS, "watch=1&timeoutSeconds=600")
        client.start()
        await client.chunks.get()
        server.cluster.closing = True
        server.cluster.store.wake_all()
        assert client.task is not None
        await asyncio.wait_for(client.task, 60)

    asyncio.run(run())


def with_log(server: InProcess, annotation: str, **query: Any) -> Answer:
    async def run() -> Answer:
        pod = {
            "metadata": {"name": "p", "annotations": {ANNOTATION: annotation}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        await server.call("POST", PODS, pod)
        return await server.call("GET", f"{PODS}/p/log", query="&".join(f"{k}={v}" for k, v in query.items()))

    return asyncio.run(run())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "default_p.log"
    path.parent.mkdir()
    path.write_text("".join(f"line {number}\n" for number in range(20_000)))
    return path


@pytest.mark.parametrize(
    ("lines", "last"), [("0", []), ("1", ["line 19999"]), ("3", ["line 19997", "line 19998", "line 19999"])]
)
def test_the_tail_of_a_log(log: Path, lines: str, last: list[str]) -> None:
    assert with_log(InProcess(), str(log), tailLines=lines).raw.decode().splitlines() == last


def test_a_tail_that_is_longer_than_the_log_is_the_log(log: Path) -> None:
    assert len(with_log(InProcess(), str(log), tailLines=30_000).raw.splitlines()) == 20_000


def test_a_tail_reaches_back_over_many_blocks(log: Path) -> None:
    answer = with_log(InProcess(), str(log), tailLines=15_000).raw.splitlines()
    assert (answer[0], len(answer)) == (b"line 5000", 15_000)


def test_a_last_line_without_an_end_counts(log: Path) -> None:
    log.write_text("a\nb\nc")
    assert with_log(InProcess(), str(log), tailLines=2).raw == b"b\nc"


def test_a_followed_log_goes_on(log: Path) -> None:
    log.write_text("first\n")

    async def run() -> bytes:
        server = InProcess()
        pod = {
            "metadata": {"name": "p", "annotations": {ANNOTATION: str(log)}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        await server.call("POST", PODS, pod)
        client = Client(server, f"{PODS}/p/log", "follow=true")
        client.start()
        first = await client.chunks.get()
        with log.open("a") as file:
            file.write("second\n")
        second = await asyncio.wait_for(client.chunks.get(), 60)
        await server.call("DELETE", f"{PODS}/p")
        assert client.task is not None
        await asyncio.wait_for(client.task, 60)
        return first + second

    assert asyncio.run(run()) == b"first\nsecond\n"


def test_files_of_other_names_are_never_read(tmp_path: Path, log: Path) -> None:
    secret = tmp_path / "logs" / "secret.log"
    secret.write_text("secret")
    link = tmp_path / "other" / "logs" / "default_p.log"
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    for annotation in (
        str(secret),
        "/etc/passwd",
        str(link),
        str(log) + "\u0000",
        str(tmp_path / "logs" / "default_q.log"),
    ):
        answer = with_log(InProcess(), annotation)
        assert (answer.code, b"secret" in answer.raw) == (400, False), annotation


@pytest.mark.parametrize(
    "query",
    [{"container": "other"}, {"tailLines": "-1"}, {"tailLines": "x"}, {"previous": "true"}, {"timestamps": "true"}],
)
def test_what_a_log_cannot_give_is_said(log: Path, query: dict[str, str]) -> None:
    assert with_log(InProcess(), str(log), **query).code == 400
