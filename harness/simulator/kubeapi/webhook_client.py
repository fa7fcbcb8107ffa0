"""Calling webhooks: by URL, or by Service through its endpoints, over TLS with the CA that the configuration names."""

import base64
import functools
import ssl
from typing import TYPE_CHECKING, Any

import orjson

from harness.simulator.kubeapi.cluster import Cluster

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]
ADDRESS = "maas-conformance.dev/address"
"""Where a process on this machine answers for an endpoint: the address in a slice can be no loopback one."""


class UnreachableError(Exception):
    """A webhook that gave no usable answer, in the words of a cluster."""


@functools.lru_cache(maxsize=64)
def _client(bundle: str) -> "httpx.AsyncClient":
    import httpx

    context = ssl.create_default_context()
    if bundle:
        context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
    # Addresses of a Service are reached by number, while certificates carry its name: the call names it (`sni_hostname`).
    return httpx.AsyncClient(verify=context, trust_env=False, timeout=10)


async def _sent(client: "httpx.AsyncClient", request: "httpx.Request") -> "httpx.Response":
    """The answer; asked again where the other side was just closing a connection that had been idle, as a cluster's client does."""
    import httpx

    try:
        return await client.send(request)
    except httpx.RemoteProtocolError:
        return await client.send(request)


class Caller:
    """Posts one JSON body and reads one JSON answer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def call(self, config: Json, seconds: float, body: Json) -> Json:
        """The answer of a webhook. Raises UnreachableError."""
        import httpx

        shown, url, name = self._destination(config)
        shown = f"{shown}?timeout={seconds}s"
        try:
            client = _client(config.get("caBundle") or "")
            extensions = {"sni_hostname": name} if name else {}
            request = client.build_request(
                "POST",
                f"{url}?timeout={seconds}s",
                content=orjson.dumps(body),
                headers={"content-type": "application/json", **({"host": name} if name else {})},
                timeout=seconds,
                extensions=extensions,
            )
            response = await _sent(client, request)
            value = orjson.loads(response.content) if response.status_code == 200 else None
        except httpx.TimeoutException as error:
            raise UnreachableError(f'failed to call webhook: Post "{shown}": context deadline exceeded') from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, ValueError, OSError) as error:
            raise UnreachableError(f'failed to call webhook: Post "{shown}": {error}') from error
        if not isinstance(value, dict):
            raise UnreachableError(
                f"failed to call webhook: the server answered {response.status_code} without a usable body"
            )
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
