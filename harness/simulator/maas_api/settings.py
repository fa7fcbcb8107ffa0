"""What an instance of the management API is told when it starts."""

from dataclasses import dataclass
from pathlib import Path

from .quirks import Quirk

DEFAULT_TENANT = "models-as-a-service"


@dataclass(frozen=True, slots=True)
class Listener:
    """Address to bind; port 0 takes a free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """One instance serves one tenant: its subscriptions and policies live in one namespace, models in any.

    Durations are seconds. `quirks` are answers of the upstream service to repeat, where this one gives better ones.
    """

    database: str
    kubeconfig: Path | None = None
    tenant: str = DEFAULT_TENANT
    subscription_namespace: str = DEFAULT_TENANT
    gateway_name: str = "maas-default-gateway"
    gateway_namespace: str = "openshift-ingress"
    require_gateway_service: bool = False
    startup_timeout_s: float = 15.0
    max_expiration_days: int = 90
    last_used_debounce_s: float = 60.0
    admin_cache_entries: int = 8192
    admin_cache_s: float = 30.0
    debug: bool = False
    quirks: frozenset[Quirk] = frozenset()
    listener: Listener = Listener("127.0.0.1", 0)
    metrics_listener: Listener = Listener("127.0.0.1", 0)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    ready_file: Path | None = None
    log_level: str = "info"
