"""From a request to the code that answers it: authentication, authorization, then the verb."""

from typing import Any

from harness.simulator.kubeapi import nonresource, subresources, verbs
from harness.simulator.kubeapi.asgi import Request, Response
from harness.simulator.kubeapi.authentication import allow, authenticate
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.exchange import Exchange
from harness.simulator.kubeapi.negotiation import accepted, as_yaml
from harness.simulator.kubeapi.rbac import Attributes
from harness.simulator.kubeapi.status import UnknownPathError, method_not_allowed, no_such_path, not_found
from harness.simulator.kubeapi.target import Target, parse_path

_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def verb_of(request: Request, target: Target) -> str:
    """The Kubernetes verb of a request. Raises ApiError 405."""
    if request.method in {"GET", "HEAD"}:
        if target.watching or (request.flag("watch") and not target.subresource):
            return "watch"
        return "get" if target.name else "list"
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    if request.method not in _METHODS:
        raise method_not_allowed()
    return _METHODS[request.method]


class Router:
    """Answers every request of one server; `address` is the host and port that clients see."""

    def __init__(self, cluster: Cluster, address: str) -> None:
        self._cluster = cluster
        self._address = address

    async def handle(self, request: Request) -> Response:
        """Authenticate, authorize, answer. Raises ApiError."""
        if nonresource.is_open(request.path):
            return nonresource.answer_open(request.path)
        user = authenticate(self._cluster, request)
        target = parse_path(request.path)
        if target is None:
            allow(self._cluster, user, Attributes(request.method.lower(), path=request.path))
            return nonresource.answer(self._cluster, request, self._address)
        verb = verb_of(request, target)
        request.asked = (verb, target.group, target.plural, target.subresource)
        asked = Attributes(
            verb, target.group, target.plural, target.subresource, target.namespace, target.name, version=target.version
        )
        allow(self._cluster, user, asked)
        resource = self._cluster.registry.find(target.group, target.version, target.plural)
        if resource is None or (target.namespace and not resource.namespaced):
            built_in = self._cluster.registry.is_built_in(target.group, target.version)
            raise no_such_path() if built_in else UnknownPathError()
        if resource.deprecation:
            request.warnings.append(resource.deprecation)
        form = accepted(request.headers.get("accept", ""))
        exchange = Exchange(self._cluster, request, user, resource, target, verb)
        response = await self._perform(exchange)
        if verb not in {"get", "list", "watch"}:
            await self._cluster.settle()
        if form.endswith("yaml") and response.stream is None:
            response.body, response.media = as_yaml(response.body), form
        return response

    def forward(self, request: Request) -> dict[str, Any]:
        """The Pod whose ports a WebSocket wants to reach. Raises ApiError."""
        user = authenticate(self._cluster, request)
        target = parse_path(request.path)
        if target is None or (target.group, target.plural, target.subresource) != ("", "pods", "portforward"):
            raise no_such_path()
        allow(self._cluster, user, Attributes("create", "", "pods", "portforward", target.namespace, target.name))
        entry = self._cluster.store.get(("", "pods"), target.namespace, target.name)
        if entry is None:
            raise not_found("pods", "", target.name)
        return entry.decode()

    async def _perform(self, exchange: Exchange) -> Response:
        resource, target = exchange.resource, exchange.target
        if resource.verbs == ("create",):
            return await verbs.review(exchange)
        if target.subresource:
            return await subresources.perform(exchange)
        return await verbs.perform(exchange)
