"""Revoking all API keys of a tenant that is being deleted: the one call the controller makes to maas-api."""

import asyncio
import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import quote

from harness.simulator.controllers.runtime.manifest import Manifest

TIMEOUT_S = 5.0
_DONE = frozenset({200, 202, 204, 404})


@dataclass(frozen=True, slots=True)
class Address:
    """Where maas-api answers."""

    host: str
    port: int
    secure: bool


def api_address(slices: list[Manifest], service: str) -> Address | None:
    """A ready endpoint of maas-api's Service; None while there is none."""
    for found in slices:
        labels = found["metadata"].get("labels") or {}
        if labels.get("kubernetes.io/service-name") != service:
            continue
        port = next((entry for entry in found.get("ports") or () if entry.get("port")), None)
        for endpoint in found.get("endpoints") or ():
            if port is not None and (endpoint.get("conditions") or {}).get("ready", True) and endpoint.get("addresses"):
                secure = port.get("appProtocol") == "https" or port.get("name") == "https"
                return Address(endpoint["addresses"][0], int(port["port"]), secure)
    return None


async def revoke_keys(address: Address, tenant: str) -> str:
    """Revoke every key of the tenant; returns why it did not work, empty when it did."""
    return await asyncio.to_thread(_revoke, address, tenant)


def _revoke(address: Address, tenant: str) -> str:
    connection: http.client.HTTPConnection
    if address.secure:
        # maas-api's certificate is of the cluster's own CA; the call carries no credential
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(address.host, address.port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_S)
    try:
        connection.request("DELETE", f"/internal/v1/tenants/{quote(tenant, safe='')}/api-keys")
        code = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"maas-api at {address.host}:{address.port} does not answer: {error}"
    finally:
        connection.close()
    return "" if code in _DONE else f"maas-api answered {code}"
