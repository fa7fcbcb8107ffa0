"""One authorized request on a resource, with what every verb needs of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from typing import Any

import orjson

from harness.simulator.kubeapi.asgi import Request, Response, json_response
from harness.simulator.kubeapi.bodies import decode_body, media_type, repeated_fields
from harness.simulator.kubeapi.changes import Entry
from harness.simulator.kubeapi.cluster import Cluster, State
from harness.simulator.kubeapi.identity import User
from harness.simulator.kubeapi.reads import renderer
from harness.simulator.kubeapi.requests import Write
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import Cause, bad_request, invalid
from harness.simulator.kubeapi.tables import PARTIAL, partial, table, wanted_form
from harness.simulator.kubeapi.target import Target
from harness.simulator.kubeapi.validation import invalid_value, unsupported

Json = dict[str, Any]
_OPTIONS = {
    "create": "CreateOptions",
    "patch": "PatchOptions",
    "delete": "DeleteOptions",
    "deletecollection": "DeleteOptions",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request whose caller is known and allowed; `verb` is the Kubernetes verb, not the HTTP method."""

    cluster: Cluster
    request: Request
    user: User
    resource: Resource
    target: Target
    verb: str
    problems: list[str] = field(default_factory=list)

    async def body(self) -> Any:
        """The decoded body. Raises ApiError 400, 413 or 415."""
        raw, kind = await self.request.body(), self.request.headers.get("content-type", "")
        value = decode_body(raw, kind)
        if self.request.query.get("fieldValidation") != "Ignore" and media_type(kind) in {"", "application/json"}:
            self.problems.extend(f'duplicate field "{path}"' for path in repeated_fields(raw))
        return value

    def write(self) -> Write:
        """The write options of the request. Raises ApiError 400 or 422 for a value that is not in use."""
        request, target = self.request, self.target
        if self.resource.namespaced and not target.namespace:
            raise bad_request("an empty namespace may not be set during creation")
        agent = request.headers.get("user-agent", "").partition("/")[0]
        manager = request.query.get("fieldManager") or agent[:128] or "unknown"
        self._check_options(manager)
        return Write(
            resource=self.resource,
            namespace=target.namespace,
            name=target.name,
            subresource=target.subresource,
            manager=manager,
            dry_run=request.query.get("dryRun") == "All",
            field_validation=request.query.get("fieldValidation") or "Warn",
            force=request.flag("force"),
            user=self.user,
            warnings=request.warnings,
            problems=self.problems,
        )

    def _check_options(self, manager: str) -> None:
        query = self.request.query
        wrong: list[Cause] = []
        if query.get("dryRun", "") not in {"", "All"}:
            wrong.append(unsupported("dryRun", query["dryRun"], ["All"]))
        if query.get("fieldValidation", "") not in {"", "Strict", "Warn", "Ignore"}:
            wrong.append(unsupported("fieldValidation", query["fieldValidation"], ["Ignore", "Strict", "Warn"]))
        if len(manager) > 128:
            wrong.append(Cause("FieldValueTooLong", "fieldManager", "Too long: may not be more than 128 bytes"))
        if not manager.isprintable():
            wrong.append(invalid_value("fieldManager", manager, "should only contain printable characters"))
        if wrong:
            raise invalid(_OPTIONS.get(self.verb, "UpdateOptions"), "meta.k8s.io", "", wrong)

    def on(self, name: str, namespace: str) -> "Exchange":
        """The same request on one object of the collection."""
        return with_changes(self, target=with_changes(self.target, name=name, namespace=namespace))

    @property
    def form(self) -> str:
        """The form that the client wants: `Table`, `PartialObjectMetadata`, or the object itself (empty)."""
        accept = self.request.headers.get("accept", "")
        return wanted_form(accept) if "as=" in accept else ""

    async def answer(self, code: int, state: State) -> Response:
        """An object or a Status, in the version of the URL and the form that the client wants."""
        if isinstance(state, Entry) and not self.form:
            (raw,) = await renderer(self.cluster, self.resource)([state])
            return Response(code, raw)
        if isinstance(state, dict) and (state.get("kind"), state.get("apiVersion")) == ("Status", "v1"):
            return json_response(code, state)
        return Response(code, self.shaped(await self.cluster.shown(state, self.resource)))

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
