"""A mirror against an API server that ends watches, forgets history and fails."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.async_client import AsyncClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.simulator.component import address, listen
from harness.simulator.maas_api.informer import Derived, Mirror

pytestmark = pytest.mark.anyio
KIND = ("maas.opendatahub.io", "v1alpha1", "MaaSModelRef", "maasmodelrefs")
END = object()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def thing(name: str, version: int, value: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "maas.opendatahub.io/v1alpha1",
        "kind": "MaaSModelRef",
        "metadata": {"name": name, "namespace": "llm", "resourceVersion": str(version)},
        "spec": {"value": value},
    }


class Script:
    """An API server: `listing` is what a list answers, each watch sends what is put into `events` until END."""

    def __init__(self) -> None:
        self.listing: dict[str, Any] | int = {"metadata": {"resourceVersion": "1"}, "items": []}
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.watched_from: list[str] = []
        self.lists = 0

    def list(self, version: int, *things: dict[str, Any]) -> None:
        self.listing = {"metadata": {"resourceVersion": str(version)}, "items": list(things)}

    async def answer(self, request: Request) -> Response:
        if "watch" not in request.query_params:
            self.lists += 1
            if isinstance(self.listing, int):
                return JSONResponse({"kind": "Status", "code": self.listing, "message": "no"}, self.listing)
            return JSONResponse(
                {"kind": "MaaSModelRefList", "apiVersion": "maas.opendatahub.io/v1alpha1"} | self.listing
            )
        self.watched_from.append(request.query_params["resourceVersion"])
        return StreamingResponse(self._stream(), media_type="application/json")

    async def _stream(self) -> AsyncIterator[str]:
        while (event := await self.events.get()) is not END:
            yield json.dumps(event) + "\n"

    def send(self, kind: str, document: dict[str, Any]) -> None:
        self.events.put_nowait({"type": kind, "object": document})


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    return Script()


@pytest.fixture
async def mirror(script: Script) -> AsyncIterator[Mirror[str]]:
    """A mirror that follows the script."""
    bound = listen("127.0.0.1", 0)
    config = uvicorn.Config(Starlette(routes=[Route("/{path:path}", script.answer)]), log_config=None, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([bound])
    client = AsyncClient(config=_config(f"http://{address(bound)}"), trust_env=False)
    found = Mirror[str](KIND, "*", lambda document: str(document["spec"]["value"]))
    following = asyncio.create_task(found.run(client))
    yield found
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await client.aclose()
    server.force_exit = True
    for task in server.server_state.tasks:
        task.cancel()
    await server.shutdown([bound])


def _config(server: str) -> KubeConfig:
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    clusters, users = [{"name": "a", "cluster": {"server": server}}], [{"name": "a", "user": {"token": "t"}}]
    return KubeConfig.from_dict({"current-context": "a", "contexts": [context], "clusters": clusters, "users": users})


async def until(condition: Any) -> None:
    """Return when a condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in a server and a client that signal nobody
            await asyncio.sleep(0.005)


async def test_it_follows_what_it_listed(script: Script, mirror: Mirror[str]) -> None:
    await until(mirror.synced.is_set)
    assert mirror.items == {}
    script.send("ADDED", thing("a", 2, "old"))
    script.send("ADDED", thing("b", 3, "new"))
    script.send("MODIFIED", thing("a", 4, "changed"))
    await until(lambda: mirror.items == {("llm", "a"): "changed", ("llm", "b"): "new"})
    script.send("DELETED", thing("b", 5, "new"))
    script.send("BOOKMARK", thing("", 9))
    await until(lambda: mirror.items == {("llm", "a"): "changed"})
    assert script.lists == 1


async def test_an_ended_watch_goes_on_where_it_was(script: Script, mirror: Mirror[str]) -> None:
    await until(lambda: script.watched_from == ["1"])
    script.send("ADDED", thing("a", 4, "x"))
    script.events.put_nowait(END)
    await until(lambda: script.watched_from == ["1", "4"])
    script.send("ADDED", thing("b", 5, "y"))
    await until(lambda: mirror.items == {("llm", "a"): "x", ("llm", "b"): "y"})
    assert script.lists == 1


async def test_forgotten_history_is_listed_again(script: Script, mirror: Mirror[str]) -> None:
    await until(lambda: script.watched_from == ["1"])
    script.send("ADDED", thing("gone", 2, "x"))
    await until(lambda: mirror.items == {("llm", "gone"): "x"})
    script.list(9, thing("a", 9, "now"))
    script.send("ERROR", {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired", "message": "too old"})
    await until(lambda: mirror.items == {("llm", "a"): "now"})
    await until(lambda: script.watched_from[-1] == "9")


async def test_a_failing_server_is_asked_again_and_what_is_known_stays(script: Script, mirror: Mirror[str]) -> None:
    await until(lambda: script.watched_from == ["1"])
    script.send("ADDED", thing("a", 2, "x"))
    await until(lambda: mirror.items == {("llm", "a"): "x"})
    script.listing = 500
    script.send("ERROR", {"kind": "Status", "apiVersion": "v1", "code": 500, "message": "broken"})
    await until(lambda: script.lists >= 3)
    assert mirror.items == {("llm", "a"): "x"}
    script.list(9, thing("b", 9, "y"))
    await until(lambda: mirror.items == {("llm", "b"): "y"})


async def test_what_is_derived_is_made_anew_only_after_a_change() -> None:
    found = Mirror[str](KIND, "*", lambda document: str(document["spec"]["value"]))
    made: list[list[str]] = []

    def make(items: Any) -> list[str]:
        made.append(sorted(items))
        return made[-1]

    derived = Derived(found, make)
    assert derived() == derived() == []
    found.put(thing("a", 1, "x"))
    assert derived() == derived() == ["x"]
    found.remove("llm", "a")
    assert derived() == []
    assert len(made) == 3
