"""Server-side apply beside other writers: it names no version, so whoever was faster is no reason to refuse it."""

import asyncio
from typing import Any

import pytest

from tests.kubeapi.in_process import Answer, InProcess

PATH = "/api/v1/namespaces/default/configmaps/shared"
APPLY = "application/apply-patch+yaml"


def applied(**metadata: str) -> dict[str, Any]:
    named = {"name": "shared", **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {"ours": "new"}}


def overtaken(monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], *, exists: bool) -> Answer:
    """The answer to an apply that somebody else overtakes while admission looks at it."""

    async def run() -> Answer:
        server = InProcess()
        theirs = {**applied(), "data": {"theirs": "old"}}
        if exists:
            made = await server.call("POST", PATH.rpartition("/")[0], theirs)
            assert made.code == 201
            body["metadata"] = {
                name: made.body["metadata"]["resourceVersion"] if text == "present" else text
                for name, text in body["metadata"].items()
            }
        usual, overtook = server.cluster.admission.validate, []

        async def slow(*arguments: Any) -> None:
            if not overtook:
                overtook.append(True)
                change = {"data": {"theirs": "changed"}}
                other = (
                    await server.call("PATCH", PATH, change, media="application/merge-patch+json")
                    if exists
                    else await server.call("POST", PATH.rpartition("/")[0], theirs)
                )
                assert other.code in (200, 201)
            await usual(*arguments)

        monkeypatch.setattr(type(server.cluster.admission), "validate", staticmethod(slow))
        return await server.call("PATCH", PATH, body, query="fieldManager=we", media=APPLY)

    return asyncio.run(run())


@pytest.mark.parametrize(("exists", "theirs"), [(True, "changed"), (False, "old")])
def test_an_apply_that_is_overtaken_is_tried_again(monkeypatch: pytest.MonkeyPatch, exists: bool, theirs: str) -> None:
    answer = overtaken(monkeypatch, applied(), exists=exists)
    assert answer.code == 200
    assert answer.body["data"] == {"ours": "new", "theirs": theirs}


def test_an_apply_that_names_a_version_is_refused_when_it_is_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = overtaken(monkeypatch, applied(resourceVersion="present"), exists=True)
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
