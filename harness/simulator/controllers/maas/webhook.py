"""The controller's admission webhooks: an HTTPS server with a CA of its own, and the objects that make the API server call it.

In a Pod the API server finds it through a Service. A process beside the API server is registered by its URL: no API server takes a loopback
address for an endpoint of a Service, and a real one would look for the Service in its own network.
"""

import asyncio
import base64
import contextlib
import ipaddress
import logging
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import trustme
import uvicorn
from lightkube import ApiError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.simulator.component import listen
from harness.simulator.controllers.maas.admission import Admission
from harness.simulator.controllers.maas.names import MANAGED_BY, MANAGER
from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.kind import ENDPOINT_SLICE, SERVICE, VALIDATING_WEBHOOKS
from harness.simulator.controllers.runtime.manifest import Key, Manifest

log = logging.getLogger(__name__)
SERVICE_NAME = "maas-controller-webhook-service"
CONFIGURATION = "maas-controller-validating-webhook"
PREFIX = "/validate-maas-opendatahub-io-v1alpha1-"
WATCHED = {
    "aitenants": ("aitenant", ("CREATE", "UPDATE")),
    "maasmodelrefs": ("maasmodelref", ("CREATE", "UPDATE")),
    "maassubscriptions": ("maassubscription", ("CREATE",)),
    "maasauthpolicies": ("maasauthpolicy", ("CREATE",)),
}


class _Server(uvicorn.Server):
    """Leaves signals to the process that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Webhook:
    """Serves reviews on a port of its own and keeps the API server informed where."""

    def __init__(self, admission: Admission, cluster: Cluster, namespace: str, bind: tuple[str, int]) -> None:
        self._admission = admission
        self._cluster = cluster
        self._namespace = namespace
        self._bind = bind
        self._port = 0
        self._bundle = b""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer reviews inside the block; afterwards nobody answers any more, and writes are refused until the next start."""
        authority = trustme.CA()
        certificate = authority.issue_cert(f"{SERVICE_NAME}.{self._namespace}.svc", "localhost", "127.0.0.1", "::1")
        self._bundle = authority.cert_pem.bytes()
        bound = listen(*self._bind)
        self._port = int(bound.getsockname()[1])
        server = _Server(uvicorn.Config(self._app(), log_level="warning", lifespan="off", access_log=False))
        server.config.load()
        server.config.ssl = _context(certificate)
        running = asyncio.create_task(server.serve([bound]))
        try:
            yield
        finally:
            await self._withdraw()
            # no orderly shutdown: it waits for the API server's idle connections, and there is no review under way that matters
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            bound.close()

    async def reconcile(self, key: Key) -> float | None:
        """Write the objects when the namespace of the controller is there; its key is that namespace."""
        if key.name == self._namespace:
            if not self._on_loopback:
                await self._cluster.apply(SERVICE, self.service())
                await self._cluster.apply(ENDPOINT_SLICE, self.endpoints())
            await self._cluster.apply(VALIDATING_WEBHOOKS, self.configuration())
        return None

    @property
    def _on_loopback(self) -> bool:
        return is_loopback(self._bind[0])

    async def _withdraw(self) -> None:
        if self._on_loopback:
            return
        try:
            await asyncio.wait_for(self._cluster.delete(ENDPOINT_SLICE, self.endpoints()), 0.5)
        except (ApiError, OSError, TimeoutError) as error:
            log.info("the webhook's endpoint stays behind: %s", error)
        except Exception as error:  # noqa: BLE001 - lightkube's transport errors have no common base that it exports
            log.info("the webhook's endpoint stays behind: %s", error)

    def service(self) -> Manifest:
        """The Service that the configuration names."""
        port = {"name": "https", "port": 443, "targetPort": self._port, "protocol": "TCP"}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self._metadata(SERVICE_NAME),
            "spec": {"ports": [port]},
        }

    def endpoints(self) -> Manifest:
        """Where this process listens."""
        metadata = self._metadata(f"{SERVICE_NAME}-local")
        metadata["labels"]["kubernetes.io/service-name"] = SERVICE_NAME
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": self._port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [self._bind[0]], "conditions": {"ready": True}}],
        }

    def configuration(self) -> Manifest:
        """Which writes are reviewed; when nobody answers they are refused."""
        metadata = {"name": CONFIGURATION, "labels": {MANAGED_BY: MANAGER}}
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": metadata,
            "webhooks": [
                self._webhook(plural, kind, list(operations)) for plural, (kind, operations) in WATCHED.items()
            ],
        }

    def _webhook(self, plural: str, kind: str, operations: list[str]) -> dict[str, Any]:
        rule = {
            "apiGroups": ["maas.opendatahub.io"],
            "apiVersions": ["v1alpha1"],
            "operations": operations,
            "resources": [plural],
            "scope": "Namespaced",
        }
        return {
            "name": f"v{kind}.maas.opendatahub.io",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {**self._place(f"{PREFIX}{kind}"), "caBundle": base64.b64encode(self._bundle).decode()},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 10,
            "rules": [rule],
        }

    def _place(self, path: str) -> dict[str, Any]:
        if self._on_loopback:
            host = f"[{self._bind[0]}]" if ":" in self._bind[0] else self._bind[0]
            return {"url": f"https://{host}:{self._port}{path}"}
        return {"service": {"namespace": self._namespace, "name": SERVICE_NAME, "path": path, "port": 443}}

    def _metadata(self, name: str) -> dict[str, Any]:
        return {"name": name, "namespace": self._namespace, "labels": {MANAGED_BY: MANAGER}}

    def _app(self) -> Starlette:
        return Starlette(routes=[Route(f"{PREFIX}{{kind}}", self._review, methods=["POST"])])

    async def _review(self, request: Request) -> Response:
        body = await request.json()
        try:
            uid = body["request"]["uid"]
            refusal = await self._admission.judge(body["request"])
        except (KeyError, TypeError) as error:
            return JSONResponse({"error": f"expected an AdmissionReview with a request, {error!r} is missing"}, 400)
        answer: dict[str, Any] = {"uid": uid, "allowed": not refusal}
        if refusal:
            answer["status"] = {"code": 403, "reason": "Forbidden", "message": refusal}
        return JSONResponse({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})


def is_loopback(host: str) -> bool:
    """Whether nobody outside this machine's (or Pod's) network reaches this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "webhook.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        context.load_cert_chain(path)
    return context
