"""A definition that has become stricter: what was stored before and stays as it is, is not held against a writer."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.kubeapi.blackbox.api import Collection
from tests.kubeapi.blackbox.conftest import CRDS, established
from tests.kubeapi.serving import eventually

STRICT = "^good"


def definition(plural: str, pattern: str) -> dict[str, Any]:
    """A kind whose texts must match the pattern, in an object, a map, an atomic map and a list."""
    text = {"type": "string", "pattern": pattern}
    texts = {"type": "object", "additionalProperties": text}
    spec = {
        "plain": {"type": "object", "properties": {"a": text, "b": text}},
        "granular": texts,
        "atomic": {**texts, "x-kubernetes-map-type": "atomic"},
        "list": {"type": "array", "items": text},
    }
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.blackbox.example.com"},
        "spec": {
            "group": "blackbox.example.com",
            "scope": "Cluster",
            "names": {"plural": plural, "kind": plural.capitalize()},
            "versions": [version],
        },
    }


SPEC = {
    "plain": {"a": "bad", "b": "bad"},
    "granular": {"a": "bad", "b": "bad"},
    "atomic": {"a": "bad", "b": "bad"},
    "list": ["bad", "bad"],
}


@pytest.fixture(scope="module")
def stored(server: httpx.Client) -> Iterator[httpx.URL]:
    """The path of an object that was stored before its definition became stricter."""
    plural = f"r{uuid.uuid4().hex[:10]}"
    path = f"{CRDS}/{plural}.blackbox.example.com"
    Collection(server, CRDS).apply(definition(plural, ""), "blackbox", force="true").raise_for_status()
    eventually(lambda: established(server.get(path).json()), f"{path} is established")
    objects = f"/apis/blackbox.example.com/v1/{plural}"
    body = {
        "apiVersion": "blackbox.example.com/v1",
        "kind": plural.capitalize(),
        "metadata": {"name": "x"},
        "spec": SPEC,
    }
    eventually(lambda: server.get(objects).status_code == httpx.codes.OK, f"{objects} is served")
    server.post(objects, json=body).raise_for_status()
    Collection(server, CRDS).apply(definition(plural, STRICT), "blackbox", force="true").raise_for_status()
    fresh = {**body, "metadata": {"name": "y"}}
    refused = httpx.codes.UNPROCESSABLE_ENTITY
    eventually(
        lambda: server.post(objects, params={"dryRun": "All"}, json=fresh).status_code == refused, "the pattern holds"
    )
    yield httpx.URL(f"{objects}/x")
    server.delete(path)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"plain": {"b": "good"}}, []),
        ({"plain": {"b": "worse"}}, ["spec.plain.b"]),
        ({"granular": {"b": "good"}}, []),
        ({"granular": {"c": "worse"}}, ["spec.granular.c"]),
        ({"atomic": {"b": "good"}}, []),
        ({"list": ["bad", "good"]}, ["spec.list[0]"]),
    ],
)
def test_what_stays_as_it_was_is_not_judged_again(
    server: httpx.Client, stored: httpx.URL, change: dict[str, Any], fields: list[str]
) -> None:
    media = {"Content-Type": "application/merge-patch+json"}
    answer = server.patch(stored, params={"dryRun": "All"}, json={"spec": change}, headers=media)
    assert answer.status_code == (422 if fields else 200), answer.text
    assert [cause["field"] for cause in answer.json().get("details", {}).get("causes", [])] == fields
