"""Whatever a client sends, the server answers: no fault of its own, no traceback, and it goes on serving."""

import asyncio
import logging
import random
from collections import Counter
from typing import Any

import orjson
import pytest

from tests.kubeapi.in_process import CRDS, InProcess

SEED = 20261122
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63, 2**64 - 1, 1.5, -1e308, "", "a", "Ä\u0000", "x" * 300, "../..", "%2e", "1Gi", "2026-01-02T03:04:05Z",
    [], {}, [None], [[]], [{}], {"": None}, {"a": {"b": []}}, {"$patch": "delete"}, {"$patch": 5}, {"$retainKeys": 3}, {"f:": {}},
    {"$setElementOrder/ports": 7},
)  # fmt: skip
MEDIA = (
    "application/json", "application/yaml", "application/merge-patch+json", "application/json-patch+json",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf", "text/csv", "",
    "application/json;charset=utf-8",
)  # fmt: skip
QUERIES = (
    "", "watch=0", "limit=2", "limit=-1", "limit=x", "continue=abc", "resourceVersion=abc", "resourceVersion=99999999999",
    "labelSelector=a%3Db", "labelSelector=((", "labelSelector=a+in+(", "fieldSelector=metadata.name%3Da", "fieldSelector=spec.x%3D1",
    "dryRun=All", "dryRun=None", "fieldValidation=Strict", "fieldValidation=Odd", "fieldManager=%00", "fieldManager=a&force=true",
    "propagationPolicy=Foreground", "propagationPolicy=Odd", "resourceVersionMatch=Exact&resourceVersion=1", "force=maybe&fieldManager=x",
    "orphanDependents=true", "gracePeriodSeconds=x",
)  # fmt: skip


class Fuzz:
    """A source of requests that are nearly right."""

    def __init__(self, server: InProcess, seed: int = SEED) -> None:
        self._random = random.Random(seed)
        # Without definitions, which a single deletecollection would take away, and with them most of what there is to ask for.
        kinds = [resource for resource in server.cluster.registry if resource.group != "apiextensions.k8s.io"]
        self._resources = sorted(kinds, key=lambda r: (r.group, r.version, r.plural))

    def odd(self) -> Any:
        return self._random.choice(ODD)

    def mutated(self, value: Any, depth: int = 0) -> Any:
        """A value with something wrong somewhere."""
        chance = self._random.random()
        if chance < 0.12 or depth > 5:
            return self.odd()
        if isinstance(value, dict) and value:
            changed = {k: self.mutated(v, depth + 1) if self._random.random() < 0.5 else v for k, v in value.items()}
            if chance < 0.3:
                changed[self._random.choice(["extra", "metadata", "spec", "status", "kind", "a.b/c"])] = self.odd()
            return changed
        if isinstance(value, list) and value:
            return [self.mutated(each, depth + 1) for each in value] * self._random.choice([1, 1, 2])
        return value

    def of_schema(self, schema: Any, depth: int = 0) -> Any:
        """A value that a schema could mean."""
        if depth > 5 or schema is None:
            return self.odd()
        if schema.enum:
            return self._random.choice(schema.enum)
        if schema.properties:
            names = [n for n in schema.properties if n in schema.required or self._random.random() < 0.3]
            return {name: self.of_schema(schema.properties[name], depth + 1) for name in names}
        if schema.type == "array":
            return [self.of_schema(schema.items, depth + 1) for _ in range(self._random.randint(0, 2))]
        if schema.additional is not None:
            return {"a": self.of_schema(schema.additional, depth + 1)}
        plain = {"string": "a", "integer": 1, "number": 0.5, "boolean": True, "object": {}}
        return plain.get(schema.type, "1")

    def request(self) -> tuple[str, str, Any, dict[str, Any]]:
        resource = self._random.choice(self._resources)
        base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        namespace = self._random.choice(["nowhere", "Ü"]) if self._random.random() < 0.05 else "default"
        scope = f"/namespaces/{namespace}" if resource.namespaced and self._random.random() < 0.97 else ""
        method = self._random.choice(
            ["GET", "POST", "POST", "POST", "PUT", "PATCH", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        )
        name = "" if method == "POST" else self._random.choice("ab")
        name = f"/{name}" if name else ""
        if self._random.random() < 0.3:
            name = self._random.choice(
                ["", "/a/status", "/a/status", "/b/scale", "/a/token", "/a/log", "/a/eviction", "/a/nothing", "/a/b/c"]
            )
        body: Any = self.of_schema(resource.schema())
        if isinstance(body, dict):
            body |= {
                "kind": resource.kind,
                "apiVersion": resource.api_version,
                "metadata": {"name": self._random.choice("ab"), "labels": {"x": "y"}},
            }
        if self._random.random() < 0.5:
            body = self.mutated(body)
        if method == "PATCH" and self._random.random() < 0.3:
            body = [
                {
                    "op": self._random.choice(["add", "remove", "replace", "move", "test", "odd"]),
                    "path": self.odd(),
                    "value": self.odd(),
                }
            ]
        query = self._random.choice(QUERIES) if self._random.random() < 0.4 else "fieldManager=x"
        options = {"query": query, "media": self._random.choice(MEDIA[:6] if method == "PATCH" else MEDIA)}
        if self._random.random() < 0.8:
            patches = [
                "application/merge-patch+json",
                "application/apply-patch+yaml",
                "application/strategic-merge-patch+json",
            ]
            options["media"] = self._random.choice(patches) if method == "PATCH" else "application/json"
        return method, f"{base}{scope}/{resource.plural}{name}", body, options


def _bytes(chance: random.Random, body: Any) -> bytes:
    try:
        raw = orjson.dumps(body)
    except TypeError:
        raw = repr(body).encode()
    if chance.random() < 0.1 and raw:
        cut = chance.randrange(len(raw))
        raw = raw[:cut] + chance.choice([b"", b"\xff\xfe", b"{", b"k8s\x00\x0a", b"\x00"]) + raw[cut + 1 :]
    return raw


def flood(requests: int, seed: int = SEED) -> tuple[list[str], Counter[int]]:
    """Send that many generated requests: what went wrong, and how often each status was answered."""
    server = InProcess(crds=(CRDS,))
    fuzz, chance = Fuzz(server, seed), random.Random(seed)

    async def run() -> tuple[list[str], Counter[int]]:
        faults, codes = [], Counter[int]()
        for _ in range(requests):
            method, path, body, options = fuzz.request()
            answer = await server.call(method, path, _bytes(chance, body), **options)
            codes[answer.code] += 1
            # 500 with this one sentence is what a cluster says to a create that brings a resourceVersion.
            if answer.code >= 500 and b"resourceVersion should not be set" not in answer.raw and answer.code != 504:
                faults.append(
                    f"{method} {path}?{options['query']} {options['media']} {orjson.dumps(body)[:600]!r}: {answer.raw[:300]!r}"
                )
        return faults, codes

    return asyncio.run(run())


def test_generated_requests_meet_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """`python -m benchmarks.kubeapi.flood` sends as many as one likes, from other seeds."""
    with caplog.at_level(logging.ERROR):
        faults, codes = flood(2000)
    assert not faults, f"{len(faults)} faults, the first: {faults[0]}\n{caplog.text[:3000]}"
    # The requests are worth something only if many of them get through.
    assert codes[201] > 50
    assert codes[200] > 50
    assert codes[422] > 50


def sound_definition() -> dict[str, Any]:
    """A definition that uses every kind of word a schema has, so that damage can fall on each."""
    leaf = {"type": "string", "pattern": "^a+$", "enum": ["a"], "maxLength": 5, "default": "a", "nullable": True}
    rule = {"rule": "self.a == 'a'", "message": "m", "fieldPath": ".a", "optionalOldSelf": True}
    node = {"type": "object", "properties": {"a": leaf}, "required": ["a"], "x-kubernetes-validations": [rule]}
    items = {"type": "array", "items": node, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}
    choice = {"anyOf": [leaf], "not": leaf, "type": "string"}
    spec = {"type": "object", "properties": {"one": node, "many": items, "any": choice}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
        "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".spec.one.a"}],
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.a", "statusReplicasPath": ".status.a"}},
        "selectableFields": [{"jsonPath": ".spec.one.a"}],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [version],
        },
    }


def damaged(definition: dict[str, Any], fuzz: Fuzz, chance: random.Random) -> dict[str, Any]:
    """The definition with one value somewhere replaced."""
    places: list[tuple[Any, Any]] = []
    waiting = [definition["spec"]]
    while waiting:
        each = waiting.pop()
        for key, below in each.items() if isinstance(each, dict) else enumerate(each):
            places.append((each, key))
            if isinstance(below, dict | list):
                waiting.append(below)
    container, key = chance.choice(places)
    container[key] = fuzz.odd()
    return definition


async def faults_of_use(server: InProcess) -> list[str]:
    """What goes wrong where a kind that was admitted is used."""
    kind = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}}
    calls: tuple[tuple[str, str, Any, str], ...] = (
        ("POST", "/apis/example.com/v1/things", {**kind, "spec": {"one": {"a": "a"}}}, ""),
        ("GET", "/apis/example.com/v1/things", None, "application/json;as=Table;v=v1;g=meta.k8s.io"),
        ("GET", "/apis/example.com/v1/things/a/scale", None, ""),
        ("GET", "/openapi/v3/apis/example.com/v1", None, ""),
    )
    answers = [
        (method, place, await server.call(method, place, sent, headers={"accept": accept}))
        for method, place, sent, accept in calls
    ]
    return [f"{method} {place}: {used.raw[:300]!r}" for method, place, used in answers if used.code >= 500]


def test_malformed_definitions_meet_no_fault() -> None:
    """Definitions are compiled when they arrive, so a bad one must be refused before anything takes it for a schema."""
    server = InProcess()
    fuzz, chance = Fuzz(server), random.Random(SEED)
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

    async def run() -> tuple[list[str], set[int]]:
        faults, codes = [], set[int]()
        for _ in range(1000):
            body = damaged(sound_definition(), fuzz, chance)
            answer = await server.call("POST", path, body)
            codes.add(answer.code)
            if answer.code >= 500:
                faults.append(f"{orjson.dumps(body)!r}: {answer.raw[:300]!r}")
            if answer.code == 201:
                faults += [f"after {orjson.dumps(body)!r} {fault}" for fault in await faults_of_use(server)]
                await server.call("DELETE", f"{path}/{answer.body['metadata']['name']}")
        return faults, codes

    faults, codes = asyncio.run(run())
    assert not faults, f"{len(faults)} faults, the first: {faults[0]}"
    assert codes == {201, 400, 422}
