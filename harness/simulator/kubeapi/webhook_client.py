"""Calling webhooks: by URL, or by Service through its endpoints, over TLS with the CA that the configuration names."""

import ssl
from typing import TYPE_CHECKING, Any

import orjson

from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.webhook_clients import Clients

if TYPE_CHECKING:
    from aiohttp import ClientSession

Json = dict[str, Any]
ADDRESS = "maas-conformance.dev/address"
"""Where a process on this machine answers for an endpoint: the address in a slice can be no loopback one."""


class UnreachableError(Exception):
    """A webhook that gave no usable answer, in the words of a cluster."""


async def _posted(client: "ClientSession", url: str, name: str, seconds: float, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer; `name` is what the certificate must carry where it is not the URL's own host."""
    from aiohttp import ClientTimeout
    from yarl import URL

    headers = {"content-type": "application/json", **({"host": name} if name else {})}
    async with client.post(
        URL(url, encoded=True),
        data=body,
        headers=headers,
        timeout=ClientTimeout(total=seconds),
        allow_redirects=False,
        server_hostname=name or None,
    ) as response:
        return response.status, await response.read()


def _words(error: Exception) -> str:
    """A failure without the addresses and settings that the client's own words are full of."""
    from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ServerDisconnectedError

    match error:
        case ClientConnectorCertificateError():
            return str(error.certificate_error)
        case ClientConnectorError():
            return "All connection attempts failed"
        case ServerDisconnectedError():
            return "Server disconnected without sending a response."
        case _:
            return str(error)


class Caller:
    """Posts one JSON body and reads one JSON answer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._clients = Clients()

    async def call(self, config: Json, seconds: float, body: Json) -> Json:
        """The answer of a webhook. Raises UnreachableError."""
        from aiohttp import ClientError, ServerDisconnectedError

        shown, url, name = self._destination(config)
        query = f"?timeout={seconds}s"
        try:
            client = self._clients.of(config.get("caBundle") or "")
            call = (client, url + query, name, seconds, orjson.dumps(body))
            try:
                status, raw = await _posted(*call)
            except ServerDisconnectedError:
                # The other side was just closing a connection that had been idle: a cluster's client asks again too.
                status, raw = await _posted(*call)
            value = orjson.loads(raw) if status == 200 else None
        except TimeoutError as error:
            told = f'failed to call webhook: Post "{shown}{query}": context deadline exceeded'
            raise UnreachableError(told) from error
        except (ClientError, ssl.SSLError, ValueError, OSError) as error:
            raise UnreachableError(f'failed to call webhook: Post "{shown}{query}": {_words(error)}') from error
        if not isinstance(value, dict):
            raise UnreachableError(f"failed to call webhook: the server answered {status} without a usable body")
        return value

    def _destination(self, config: Json) -> tuple[str, str, str]:
        """The URL to show, the URL to call and the name that its certificate must carry (empty: the URL's own)."""
        if config.get("url"):
            return config["url"], config["url"], ""
        service = config.get("service") or {}
        namespace, name = service.get("namespace", ""), service.get("name", "")
        path, port = service.get("path") or "/", service.get("port") or 443
        host = f"{name}.{namespace}.svc"
        shown = f"https://{host}:{port}{path}"
        address = self._endpoint(namespace, name, port)
        return shown, f"https://{address}{path}", host

    def _endpoint(self, namespace: str, name: str, port: int) -> str:
        entry = self._cluster.store.get(("", "services"), namespace, name)
        if entry is None:
            raise UnreachableError(
                f'failed to call webhook: Post "https://{name}.{namespace}.svc:{port}": service "{name}" not found'
            )
        ports = entry.decode().get("spec", {}).get("ports") or []
        named = next((each.get("name", "") for each in ports if each.get("port") == port), None)
        if named is None:
            raise UnreachableError(f'failed to call webhook: no service port {port} found for service "{name}"')
        for each in self._cluster.store.objects(("discovery.k8s.io", "endpointslices"), namespace):
            if each.labels.get("kubernetes.io/service-name") == name:
                found = _ready_address(each.decode(), named)
                if found:
                    return found
        raise UnreachableError(
            f'failed to call webhook: Post "https://{name}.{namespace}.svc:{port}": no endpoints available for service "{name}"'
        )


def _ready_address(piece: Json, port_name: str) -> str:
    port = next((each.get("port") for each in piece.get("ports") or () if (each.get("name") or "") == port_name), None)
    for endpoint in piece.get("endpoints") or ():
        if port and endpoint.get("addresses") and (endpoint.get("conditions") or {}).get("ready", True):
            address = (piece["metadata"].get("annotations") or {}).get(ADDRESS) or endpoint["addresses"][0]
            return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return ""
