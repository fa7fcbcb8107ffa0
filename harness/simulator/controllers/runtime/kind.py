"""The kinds that controllers read and write, and how lightkube addresses each."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from lightkube.core.resource import ApiInfo, ResourceDef
from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericGlobalStatus,
    GenericNamespacedResource,
    GenericNamespacedStatus,
    create_api_info,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A served resource: where its URL is and what its objects call themselves."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apiVersion` as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


@cache
def resource(kind: Kind) -> Any:
    """The lightkube class of a kind, generic even for built-in kinds: typed models cost memory and drop unknown fields.

    It stays out of lightkube's registry, where a process may have a class of its own for the same kind.
    """
    definition = ResourceDef(kind.group, kind.version, kind.kind)
    main = GenericNamespacedResource if kind.namespaced else GenericGlobalResource
    status = GenericNamespacedStatus if kind.namespaced else GenericGlobalStatus
    of_status = ApiInfo(definition, kind.plural, ["get", "patch", "put"], parent=definition, action="status")
    fields = {
        "_api_info": create_api_info(kind.group, kind.version, kind.kind, kind.plural),
        "Status": type(f"{kind.kind}Status", (status,), {"_api_info": of_status}),
    }
    return type(kind.kind, (main,), fields)


NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
SERVICE = Kind("", "v1", "Service", "services")
POD = Kind("", "v1", "Pod", "pods")
EVENT = Kind("", "v1", "Event", "events")
SECRET = Kind("", "v1", "Secret", "secrets")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
JOB = Kind("batch", "v1", "Job", "jobs")
CRON_JOB = Kind("batch", "v1", "CronJob", "cronjobs")
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
GATEWAY = Kind("gateway.networking.k8s.io", "v1", "Gateway", "gateways")
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
LLM_INFERENCE_SERVICE = Kind("serving.kserve.io", "v1alpha2", "LLMInferenceService", "llminferenceservices")
AUTH_POLICY = Kind("kuadrant.io", "v1", "AuthPolicy", "authpolicies")
TOKEN_RATE_LIMIT_POLICY = Kind("kuadrant.io", "v1alpha1", "TokenRateLimitPolicy", "tokenratelimitpolicies")
TELEMETRY_POLICY = Kind("extensions.kuadrant.io", "v1alpha1", "TelemetryPolicy", "telemetrypolicies")

VALIDATING_WEBHOOKS = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
SERVICE_ENTRY = Kind("networking.istio.io", "v1", "ServiceEntry", "serviceentries")
DESTINATION_RULE = Kind("networking.istio.io", "v1", "DestinationRule", "destinationrules")

_MAAS = ("maas.opendatahub.io", "v1alpha1")
MAAS_MODEL_REF = Kind(*_MAAS, "MaaSModelRef", "maasmodelrefs")
MAAS_AUTH_POLICY = Kind(*_MAAS, "MaaSAuthPolicy", "maasauthpolicies")
MAAS_SUBSCRIPTION = Kind(*_MAAS, "MaaSSubscription", "maassubscriptions")
CONFIG = Kind(*_MAAS, "Config", "configs", namespaced=False)
MAAS_TENANT_CONFIG = Kind(*_MAAS, "MaasTenantConfig", "maastenantconfigs")
LEGACY_TENANT = Kind(*_MAAS, "Tenant", "tenants")
AI_TENANT = Kind(*_MAAS, "AITenant", "aitenants")
LEGACY_EXTERNAL_MODEL = Kind(*_MAAS, "ExternalModel", "externalmodels")
EXTERNAL_MODEL = Kind("inference.opendatahub.io", "v1alpha1", "ExternalModel", "externalmodels")
EXTERNAL_PROVIDER = Kind("inference.opendatahub.io", "v1alpha1", "ExternalProvider", "externalproviders")
