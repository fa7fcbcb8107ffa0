"""Who decides for a gateway: an authorizer of its own, with what all of them share."""

import contextlib
import ssl
from dataclasses import dataclass
from typing import Final, Self

import httpx
from lightkube import AsyncClient

from harness.simulator.gateway.authorizer.credentials import Credentials
from harness.simulator.gateway.authorizer.decision import Authorizer
from harness.simulator.gateway.authorizer.maas_api import MaasApi
from harness.simulator.gateway.authorizer.measured import MeasuredJwts, MeasuredKeys, MeasuredTokens
from harness.simulator.gateway.authorizer.metrics import AuthMetrics, Rules
from harness.simulator.gateway.authorizer.oidc import OidcTokens, issuer_at
from harness.simulator.gateway.authorizer.quirks import Quirk
from harness.simulator.gateway.authorizer.seen import Seen
from harness.simulator.gateway.authorizer.tokens import ClusterTokens
from harness.simulator.gateway.plan.gatewayapi import Key, text

TIMEOUT: Final = httpx.Timeout(1.5, connect=1.0)
LIMITS: Final = httpx.Limits(max_connections=64, max_keepalive_connections=64)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom HTTPS is believed: the authorities of a file, or (True) the system's."""

    maas_api: ssl.SSLContext | bool
    issuers: ssl.SSLContext | bool


@dataclass(frozen=True, slots=True)
class Policy:
    """How the command line wants decisions made. `metadata_ttl`: seconds for which an answer of maas-api is repeated."""

    audience: str
    metadata_ttl: float
    quirks: frozenset[Quirk]


class Deciders:
    """Makes authorizers; their connections stay open as long as this is entered."""

    def __init__(self, cluster: AsyncClient, trust: Trust, policy: Policy, seen: Seen, metrics: AuthMetrics) -> None:
        self._cluster = cluster
        self._trust = trust
        self._policy = policy
        self._seen = seen
        self._metrics = metrics
        self._clients = contextlib.AsyncExitStack()
        self._issuers = httpx.AsyncClient(timeout=TIMEOUT, verify=trust.issuers, trust_env=False)

    async def __aenter__(self) -> Self:
        await self._clients.enter_async_context(self._issuers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._clients.aclose()

    def make(self, url: str, gateway: Key) -> Authorizer:
        """One for this gateway, which asks the maas-api at this URL."""
        verify = self._trust.maas_api
        http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=LIMITS, verify=verify, trust_env=False)
        self._clients.push_async_callback(http.aclose)
        rules = Rules(self._metrics, text(gateway))
        maas_api = MaasApi(http, self._policy.metadata_ttl, rules)
        issued = OidcTokens(self._issuers, lambda: issuer_at(gateway, self._seen.policies.objects), self._policy.quirks)
        credentials = Credentials(
            MeasuredKeys(maas_api, rules),
            MeasuredTokens(ClusterTokens(self._cluster, self._policy.audience), rules),
            self._policy.metadata_ttl,
            MeasuredJwts(issued, rules),
            self._seen.speaks_messages,
        )
        return Authorizer(credentials, maas_api, self._policy.quirks, rules.denied)
