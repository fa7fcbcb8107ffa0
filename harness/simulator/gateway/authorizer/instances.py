"""Which maas-api answers for a gateway: the one that the gateway's own AuthPolicy names, so that tenants never meet.

Each gateway has caches of its own too: a key that is good at one tenant's gateway says nothing about another's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.check import Decider
from harness.simulator.gateway.authorizer.decision import Decision, UnavailableError
from harness.simulator.gateway.authorizer.request import AccessRequest
from harness.simulator.gateway.plan.backends import Endpoints
from harness.simulator.gateway.plan.gatewayapi import Key, Object, text
from harness.simulator.gateway.plan.policies import by_target
from harness.simulator.gateway.plan.snapshot import Objects, Snapshot

DEFAULT_SERVICE = "maas-api"
"""The Service of the instance that `--maas-api` names; tenants' Services have a suffix."""
PATIENCE_SECONDS = 0.5
Make = Callable[[str, Key], Decider]
"""A decider that asks the maas-api at this URL, for this gateway."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Where a gateway's questions go, and who asks them."""

    url: str
    decider: Decider


class Instances:
    """Deciders by gateway, made when the first request comes and made anew when the address behind a Service has moved."""

    def __init__(
        self, default_url: str, policies: Callable[[], Objects], slices: Callable[[], Objects], make: Make
    ) -> None:
        self._default_url = default_url
        self._policies = policies
        self._slices = slices
        self._make = make
        self._known: dict[Key, Instance] = {}
        self._urls: dict[Key, str] = {}
        self._moved = asyncio.Event()

    def changed(self) -> None:
        """Policies or endpoints are others than before."""
        self._urls.clear()
        self._moved.set()
        self._moved = asyncio.Event()

    async def decide(self, request: AccessRequest) -> Fresh[Decision]:
        """See Decider. Raises UnavailableError where the gateway's maas-api is not known or has no endpoint."""
        namespace, _, name = request.gateway.partition("/")
        gateway = (namespace, name)
        url = self._urls.get(gateway) or await self._resolved(gateway)
        known = self._known.get(gateway)
        if known is None or known.url != url:
            known = self._known[gateway] = Instance(url, self._make(url, gateway))
        return await known.decider.decide(request)

    async def _resolved(self, gateway: Key) -> str:
        """The URL, when it is known at once or a moment later: the gateway may have heard of its policy before us."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    try:
                        url = self._urls[gateway] = self._url(gateway)
                    except UnavailableError as error:
                        reason = error
                        await self._moved.wait()
                    else:
                        return url
        except TimeoutError:
            raise reason from None

    def _url(self, gateway: Key) -> str:
        if not gateway[1]:
            return self._default_url
        policies = by_target(self._policies()).get(("Gateway", gateway))
        if not policies:
            raise UnavailableError(f"no AuthPolicy names the maas-api of Gateway {text(gateway)}")
        service = service_of(policies[0])
        if service is None or service[1] == DEFAULT_SERVICE:
            return self._default_url
        endpoints = Endpoints(Snapshot(endpoint_slices=self._slices())).addresses(service, "http")
        if not endpoints:
            raise UnavailableError(f"the Service {text(service)} of Gateway {text(gateway)} has no ready endpoint")
        host, port = endpoints[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def service_of(policy: Object) -> Key | None:
    """Namespace and name of the Service that validates keys by this AuthPolicy; None for a policy that names no URL."""
    spec = policy.get("spec") or {}
    rules = (spec.get("overrides") or spec.get("defaults") or spec).get("rules") or {}
    url = (((rules.get("metadata") or {}).get("apiKeyValidation") or {}).get("http") or {}).get("url")
    labels = (urlsplit(str(url)).hostname or "").split(".") if url else []
    if len(labels) < 2:
        return None
    return (labels[1], labels[0])
