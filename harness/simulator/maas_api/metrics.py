"""Prometheus series of an instance."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The default of Prometheus' client for Go, which dashboards of MaaS were made for; the one for Python has more."""


class Metrics:
    """The documented series; `tenant` is the value of the label `tenant_name`."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._registry = registry = CollectorRegistry()
        labels = ("method", "route", "status", "tenant_name")
        self.requests = Counter("maas_api_http_requests_total", "Requests answered.", labels, registry=registry)
        self.duration = Histogram(
            "maas_api_http_request_duration_seconds",
            "Seconds from the request's arrival to its answer.",
            labels,
            registry=registry,
            buckets=BUCKETS,
        )
        self.in_flight = Gauge(
            "maas_api_http_requests_in_flight", "Requests being answered now.", ("method",), registry=registry
        )
        outcome = ("tenant_name", "result")
        self.validations = Counter(
            "maas_api_key_validation_total", "Keys looked up for the gateway.", outcome, registry=registry
        )
        self.mints = Counter("maas_api_token_mint_total", "Keys asked for.", outcome, registry=registry)
        self.admin_hits = Counter(
            "sar_cache_hits_total", "Administrator questions answered from memory.", registry=registry
        )
        self.admin_misses = Counter(
            "sar_cache_misses_total", "Administrator questions put to Kubernetes.", registry=registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        labels = (method, route, str(status), self.tenant)
        self.requests.labels(*labels).inc()
        self.duration.labels(*labels).observe(seconds)

    def validated(self, result: str) -> None:
        """Count a key validation: valid, invalid or error. An invalid key belongs to no tenant."""
        self.validations.labels("" if result == "invalid" else self.tenant, result).inc()

    def minted(self, result: str) -> None:
        """Count a mint: success, rejected (no such subscription or lifetime) or failure."""
        self.mints.labels(self.tenant, result).inc()

    def exposition(self) -> tuple[bytes, str]:
        """All series as text, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
