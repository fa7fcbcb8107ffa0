"""An instance from start to end: database, mirrors, listeners, announcement, and a clean stop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from harness.simulator.component import address, announce, listen, until_stopped

from . import app
from .administrators import Administrators
from .catalogue import Catalogue
from .connection import BoundedConnection
from .database import StoreError
from .kubernetes import Kubernetes, KubernetesError
from .metrics import Metrics
from .service import Service, UsageMemory
from .settings import Settings
from .store import KeyStore

log = logging.getLogger(__name__)

_STOP_S = 1
"""Seconds that requests in flight get when the process is told to stop; components end within two."""


class StartError(Exception):
    """The instance cannot start; the message says why and what to do."""


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises StartError."""
    api_socket, metrics_socket = _bind(settings)
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(_service(settings))
        secure = settings.tls_cert is not None
        api_server = _server(app.api(service), settings, secure=secure)
        metrics_server = _server(app.metrics(service), settings, secure=False)
        servers = [(api_server, api_socket), (metrics_server, metrics_socket)]
        running = [asyncio.create_task(server.serve([bound])) for server, bound in servers]
        await _started([server for server, _ in servers], running)
        scheme = "https" if secure else "http"
        announce(
            settings.ready_file,
            {"api": f"{scheme}://{address(api_socket)}", "metrics": f"http://{address(metrics_socket)}/metrics"},
        )
        stopped = asyncio.create_task(until_stopped())
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*running)
        stopped.cancel()


@contextlib.asynccontextmanager
async def _service(settings: Settings) -> AsyncIterator[Service]:
    """Everything that handlers need, connected and synchronised."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            kubernetes = Kubernetes(settings.kubeconfig)
            stack.push_async_callback(kubernetes.close)
            catalogue = Catalogue(settings.subscription_namespace)
            following = asyncio.create_task(catalogue.follow(kubernetes.client))
            stack.push_async_callback(_cancel, following)
            store = await KeyStore.open(settings.database)
            stack.push_async_callback(store.close)
        except (KubernetesError, StoreError) as error:
            raise StartError(str(error)) from error
        await _within(
            settings,
            catalogue.ready(),
            "Kubernetes did not answer: check the kubeconfig, that the API server runs and that it serves maasmodelrefs, "
            "maassubscriptions and maasauthpolicies (maas.opendatahub.io/v1alpha1)",
        )
        if settings.require_gateway_service:
            missing = (
                f"no Service of the gateway {settings.gateway_namespace}/{settings.gateway_name} offers port 443: "
                "create the gateway first"
            )
            await _within(settings, _gateway_service(kubernetes, settings), missing)
        metrics = Metrics(settings.tenant)
        administrators = Administrators(
            kubernetes,
            settings.subscription_namespace,
            metrics,
            settings.admin_cache_entries,
            settings.admin_cache_s,
        )
        usage = UsageMemory(store, settings.last_used_debounce_s)
        stack.push_async_callback(usage.settle)
        yield Service(settings, catalogue, store, kubernetes, administrators, metrics, usage)


async def _within(settings: Settings, condition: Coroutine[Any, Any, None], otherwise: str) -> None:
    """Return when a condition of the start holds. Raises StartError with `otherwise` when it does not in time."""
    try:
        async with asyncio.timeout(settings.startup_timeout_s):
            await condition
    except TimeoutError as error:
        raise StartError(f"not within {settings.startup_timeout_s:g} s: {otherwise}") from error


async def _gateway_service(kubernetes: Kubernetes, settings: Settings) -> None:
    """Return when exactly one Service of the gateway offers port 443. Raises StartError when two do."""
    while True:
        try:
            services = await kubernetes.gateway_services(settings.gateway_namespace, settings.gateway_name)
        except KubernetesError:
            services = []
        fitting = [
            service
            for service in services
            if any(port.get("port") == 443 for port in service["spec"].get("ports") or [])
            and any(
                owner.get("name") == settings.gateway_name for owner in service["metadata"].get("ownerReferences") or []
            )
        ]
        if len(fitting) == 1:
            return
        if len(fitting) > 1:
            raise StartError(
                f"several Services belong to the gateway {settings.gateway_namespace}/{settings.gateway_name}: expected one"
            )
        await asyncio.sleep(0.2)


def _bind(settings: Settings) -> tuple[socket.socket, socket.socket]:
    try:
        return (
            listen(settings.listener.host, settings.listener.port),
            listen(settings.metrics_listener.host, settings.metrics_listener.port),
        )
    except OSError as error:
        raise StartError(str(error.strerror or error)) from error


def _server(application: ASGIApp, settings: Settings, *, secure: bool) -> "_Server":
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=BoundedConnection,
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=_STOP_S,
        ssl_certfile=str(settings.tls_cert) if secure else None,
        ssl_keyfile=str(settings.tls_key) if secure and settings.tls_key else None,
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the component."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _started(servers: list["_Server"], running: list[asyncio.Task[None]]) -> None:
    """Return when all servers accept; a server that fails instead raises here."""
    while not all(server.started for server in servers):
        for task in running:
            if task.done():
                task.result()
                raise StartError("a listener ended while it was being started: see the log above")
        await asyncio.sleep(0.005)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
