"""The one value through which checks, loads and reports see a platform under test.

Where a platform runs (`target`) and what is installed there (`stack`) are separate: a check never asks for either. It names what it needs
(`Need`), and a platform that cannot give it makes the check not runnable, by name and reason. The value is written to a file (mode 0600: it
holds credentials) so that test workers, a load generator and a later `down` all see the same platform.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.client.secret import Secret, SecretField
from harness.outcome import UsageFault
from harness.platforms.keycloak import TrustedKeycloak

Target = Literal["embedded", "kind", "cluster", "endpoint"]
Stack = Literal["reference", "upstream", "installed"]
Need = Literal[
    "kube",  # a kubeconfig that may create namespaces, ServiceAccounts and MaaS objects
    "clock",  # time of a subscription's windows can be advanced
    "backends",  # the model servers keep a journal that can be read
    "api-metrics",  # the management API's own series can be scraped
    "metrics",  # authorized_hits, authorized_calls and limited_calls can be scraped
    "gateway-metrics",  # the gateway's durations by subscription can be scraped
    "authorizer-metrics",  # the series of whatever authorizes can be scraped, under Authorino's names
    "standard-gateway",  # a second, standard gateway is reachable
    "models",  # model backends can be created (a KServe or its stand-in answers)
    "disposable",  # the platform may be harmed: components stopped, policies deleted
    "tls",  # the MaaS gateway is reached by HTTPS
    "kuadrant",  # Kuadrant's kinds exist: subscriptions and access become its policies
    "tiers",  # the tier annotation of a model gives ServiceAccounts of tiers access to it
    "components",  # components can be stopped and started again
    "tenants",  # AITenants can be created, and the gateways of their own be reached
    "instances",  # the management API of a tenant can be reached past its gateway
    "oidc",  # an issuer that the platform trusts gives tokens to any user, in any groups, that a check names
    "any-token",  # that issuer signs whatever a check wants, and is silent when told to, as no real one is
    "providers",  # stand-ins of external model providers can be run and reached
    "user-token",  # somebody's Kubernetes or OIDC token: requested where there is a kubeconfig, else given
    "second-caller",  # two callers of different users: made where there is a kubeconfig, else given
    "administrators",  # Roles and RoleBindings can be made that turn an identity into an administrator of the platform
    "exhaustion",  # a budget that may be spent to its end: made where there is a kubeconfig, else given
]
Admission = Literal["check-then-report", "reservation", "estimate"]
"""How a platform admits a request while its cost is unknown: by what is spent, by a hold on tokens, or by an estimate alone."""
_MADE: Final[frozenset[Need]] = frozenset({"user-token", "second-caller", "exhaustion"})
"""What checks make for themselves on every platform with a kubeconfig."""


class _Edge(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Namespaces(_Edge):
    """Where the platform keeps its objects; the defaults are those of the upstream installer."""

    control: str = "opendatahub"
    infra: str = "odh-ai-gateway-infra"
    subscriptions: str = "models-as-a-service"
    models: str = "llm"
    gateway: str = "openshift-ingress"


class Parameters(_Edge):
    """Bounds that a platform promises, in seconds unless named otherwise; reports quote every one that was changed."""

    ready_bound_s: float = Field(60, gt=0, description="an object applied is an object in force")
    revocation_bound_s: float = Field(75, gt=0, description="a revoked credential is refused (60 s cache and slack)")
    metrics_bound_s: float = Field(35, gt=0, description="a charge is visible in the metrics (one scrape interval)")
    recovery_bound_s: float = Field(
        30, gt=0, description="a component that is started again has its part in serving again"
    )
    request_timeout_s: float = Field(30, gt=0, description="one inference call")
    admission: Admission | None = Field(None, description="how requests are admitted; None: found out by measuring")


class Endpoints(_Edge):
    """Base URLs without a trailing slash."""

    gateway: str = Field(description="MaaS gateway: inference lives below it, and /v1/models, /maas-api")
    management: str = Field(description="maas-api through the gateway, usually GATEWAY/maas-api")
    standard_gateway: str | None = Field(None, description="the gateway without MaaS policies")
    gateway_tls: str | None = Field(None, description="the MaaS gateway by HTTPS, where it has such a listener")
    limiter_admin: str | None = Field(None, description="counters and the clock of the embedded limiter")
    metrics: str | None = Field(None, description="Prometheus text with authorized_hits and its sisters")
    api_metrics: str | None = Field(
        None, description="Prometheus text with maas_api_http_requests_total and its sisters"
    )
    components: str | None = Field(None, description="control of the components of an embedded platform: stop, start")
    issuer: str | None = Field(None, description="OIDC issuer that the default tenant trusts, for the client `maas`")
    issuer_admin: str | None = Field(None, description="where that issuer makes realms and signs tokens on demand")
    scrapes: Annotated[Mapping[str, str], Field(description="Prometheus text of each component that tells it")] = {}


class ModelHandle(_Edge):
    """A governed model that the platform offers when it comes up."""

    name: str = Field(description="MaaSModelRef name")
    namespace: str
    model_id: str = Field(description="the id that /v1/models shows and that a body's `model` may carry")
    path: str = Field(description="path-style base below the gateway, e.g. /llm/facebook-opt-125m-simulated")
    served_name: str = Field(description="what a path-style body carries as `model`")


class Credentials(_Edge):
    """What a person or the `endpoint` target gives us; platforms with a kubeconfig mint their own users' credentials.

    `components` is what the control of an embedded platform's components asks for.
    """

    admin_token: SecretField | None = None
    user_token: SecretField | None = None
    api_key: SecretField | None = None
    second_api_key: SecretField | None = None
    exhaustible_api_key: SecretField | None = None
    components: SecretField | None = None


class LocalProcess(_Edge):
    """A process of the platform on this machine, such that a later one of the same id is not taken for it."""

    pid: int
    started: float = Field(description="Unix seconds, as the kernel counts them")


class Platform(_Edge):
    """A platform under test: plain data, no connections; frozen, so that every worker sees the same one."""

    version: Literal[1] = 1
    target: Target
    stack: Stack
    endpoints: Endpoints
    ca_file: Path | None = Field(
        None, description="CA of the gateway's certificate; None: plain HTTP or the system's CAs"
    )
    kubeconfig: Path | None = None
    keycloak: TrustedKeycloak | None = Field(None, description="the issuer is a Keycloak, administered so")
    namespaces: Namespaces = Namespaces()
    parameters: Parameters = Parameters()
    models: Annotated[tuple[ModelHandle, ...], Field(description="models that serve from the start")] = ()
    credentials: Credentials = Credentials()
    exhaustible_tokens: int | None = Field(None, gt=0, description="the budget of credentials.exhaustible_api_key")
    provides: Annotated[Mapping[Need, bool], Field(description="what a check may need")] = {}
    reasons: Annotated[Mapping[Need, str], Field(description="why a need is not met, one sentence")] = {}
    versions: Annotated[Mapping[str, str], Field(description="component versions, discovered rather than typed")] = {}
    logs: Annotated[Mapping[str, Path], Field(description="log file of each component, where we can read them")] = {}
    processes: Annotated[
        Mapping[str, LocalProcess],
        Field(description="component processes on this machine, to see whether the platform lives"),
    ] = {}
    startup_s: float | None = Field(None, description="from the command to ready")

    def missing(self, needs: frozenset[Need]) -> str | None:
        """Why a check with these needs cannot run here, one sentence for all of them; None when it can."""
        absent = sorted(need for need in needs if not (self.provides.get(need, False) or self._makes(need)))
        if not absent:
            return None
        why: dict[str, list[str]] = {}
        for need in absent:
            why.setdefault(self.reasons.get(need, f"target {self.target} does not provide it"), []).append(need)
        return "; ".join(f"needs {', '.join(those)}: {reason}" for reason, those in why.items())

    def _makes(self, need: Need) -> bool:
        return need in _MADE and self.provides.get("kube", False)

    def save(self, path: Path) -> None:
        """Write with mode 0600, whole or not at all."""
        temporary = path.with_suffix(".tmp")
        temporary.touch(mode=0o600)
        temporary.write_text(self.model_dump_json(indent=2, context={"reveal": True}), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises UsageFault when the file is missing, unreadable or of another shape."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UsageFault(f"cannot read the platform file {path}: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the document"
            raise UsageFault(f"{path} is not a platform file: {where}: {first['msg']}") from error


def provided_unless(reasons: Mapping[Need, str]) -> dict[Need, bool]:
    """What a platform with a Kubernetes API provides: every need without a reason against it, less those that checks meet themselves."""
    return {need: need not in reasons for need in get_args(Need) if need not in _MADE}


def reveal(secret: Secret | None) -> str | None:
    """The text of an optional secret, for the one call that sends it."""
    return None if secret is None else secret.reveal()
