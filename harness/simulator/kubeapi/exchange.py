"""One authorized request on a resource, with what every verb needs of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from dataclasses import replace as with_changes
from typing import Any

import orjson

from harness.simulator.kubeapi.asgi import Request, Response, json_response
from harness.simulator.kubeapi.bodies import decode_body
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.identity import User
from harness.simulator.kubeapi.requests import Write
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import bad_request
from harness.simulator.kubeapi.tables import PARTIAL, partial, table, wanted_form
from harness.simulator.kubeapi.target import Target

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request whose caller is known and allowed; `verb` is the Kubernetes verb, not the HTTP method."""

    cluster: Cluster
    request: Request
    user: User
    resource: Resource
    target: Target
    verb: str

    async def body(self) -> Any:
        """The decoded body. Raises ApiError 400, 413 or 415."""
        return decode_body(await self.request.body(), self.request.headers.get("content-type", ""))

    def write(self) -> Write:
        """The write options of the request. Raises ApiError 400 for a value that is not in use."""
        request, target = self.request, self.target
        if self.resource.namespaced and not target.namespace:
            raise bad_request("an empty namespace may not be set during creation")
        dry = request.query.get("dryRun", "")
        if dry not in {"", "All"}:
            raise bad_request(f'Invalid value: "{dry}": supported values: "All"')
        strictness = request.query.get("fieldValidation") or "Warn"
        if strictness not in {"Strict", "Warn", "Ignore"}:
            raise bad_request(f'Invalid value: "{strictness}": supported values: "Ignore", "Warn", "Strict"')
        agent = request.headers.get("user-agent", "").partition("/")[0]
        manager = request.query.get("fieldManager") or agent or "unknown"
        if len(manager) > 128 or not manager.isprintable():
            raise bad_request("fieldManager must be printable and no longer than 128 characters")
        return Write(
            resource=self.resource,
            namespace=target.namespace,
            name=target.name,
            subresource=target.subresource,
            manager=manager,
            dry_run=dry == "All",
            field_validation=strictness,
            force=request.flag("force"),
            user=self.user,
            warnings=request.warnings,
        )

    def on(self, name: str, namespace: str) -> "Exchange":
        """The same request on one object of the collection."""
        return with_changes(self, target=with_changes(self.target, name=name, namespace=namespace))

    @property
    def form(self) -> str:
        """The form that the client wants: `Table`, `PartialObjectMetadata`, or the object itself (empty)."""
        accept = self.request.headers.get("accept", "")
        return wanted_form(accept) if "as=" in accept else ""

    def answer(self, code: int, value: Json) -> Response:
        """An object or a Status, in the version of the URL and the form that the client wants."""
        if value.get("kind") == "Status" and value.get("apiVersion") == "v1":
            return json_response(code, value)
        return Response(code, self.shaped(self.cluster.from_storage(value, self.resource)))

    def shaped(self, value: Json) -> bytes:
        """One object in the wanted form."""
        match self.form:
            case "Table":
                meta = {"resourceVersion": value["metadata"].get("resourceVersion", "")}
                return table(self.resource, [value], meta, self.request.query.get("includeObject", "Metadata"))
            case "PartialObjectMetadata":
                return orjson.dumps(partial(value))
            case _:
                return orjson.dumps(value)

    def listed(self, body: bytes) -> Response:
        """A list, put together as JSON, in the wanted form."""
        form = self.form
        if not form:
            return Response(200, body)
        value = orjson.loads(body)
        meta, items = value["metadata"], value["items"]
        if form == "Table":
            return Response(200, table(self.resource, items, meta, self.request.query.get("includeObject", "Metadata")))
        whole = {
            "kind": f"{PARTIAL}List",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "items": [partial(each) for each in items],
        }
        return Response(200, orjson.dumps(whole))

    async def reshaped(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Watch events whose objects are in the wanted form; errors stay as they are."""
        async for lines in events:
            changed = []
            for line in lines.splitlines():
                event = orjson.loads(line)
                if event["type"] not in {"ERROR", "BOOKMARK"} or (event["type"] == "BOOKMARK" and self.form != "Table"):
                    event["object"] = orjson.Fragment(self.shaped(event["object"]))
                elif event["type"] == "BOOKMARK":
                    event["object"] = orjson.Fragment(table(self.resource, [], event["object"]["metadata"], "None"))
                changed.append(orjson.dumps(event) + b"\n")
            yield b"".join(changed)
