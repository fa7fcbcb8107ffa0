"""The `cluster` target: a MaaS that is installed already, seen through nothing but a kubeconfig and URLs."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.kube.access import Permission, may
from harness.kube.cluster import Cluster
from harness.kube.janitor import sweep
from harness.kube.wait import Bound
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms import inventory
from harness.platforms.deployments import NOTHING_FOUND, component_deployments
from harness.platforms.gpu import deploy_profile
from harness.platforms.platform import Endpoints, Namespaces, Need, Parameters, Platform, Stack
from harness.platforms.settings import ADMISSION, admission_model, require_known, switch
from harness.platforms.target import Progress, TargetOptions
from harness.platforms.termination import sigterm_interrupts, uninterrupted

SETTINGS: Final[Mapping[str, str]] = {
    "standard-gateway": "URL of the gateway without MaaS policies; default: as its Gateway object says",
    "gateway-tls": "URL of the MaaS gateway by HTTPS, where --gateway names it in the clear",
    "limiter-admin": "URL of a limiter whose clock can be advanced (the reference platform's)",
    "admission": ADMISSION,
    "metrics": "URL of Prometheus text with authorized_hits and its sisters",
    "api-metrics": "URL of Prometheus text with maas_api_http_requests_total and its sisters",
    "gateway-metrics": "URL of Prometheus text with istio_request_duration_milliseconds",
    "authorizer-metrics": "URL of Prometheus text with auth_server_response_status (Authorino's /server-metrics)",
    "oidc-issuer": "URL of an issuer that the default tenant trusts for the client `maas`",
    "oidc-issuer-admin": "URL where that issuer signs tokens on demand (the reference platform's issuer does)",
    "ca-file": "CA of the gateway's certificate",
    "disposable": "true: checks may harm this platform, and scale the Deployments of its components to nothing and back",
    "tiers": "true: access by tiers is in use here, so the tier annotation of a model has to take effect",
    "tenants": "true: a Gateway that a check makes gets an address that is reached from here",
    "context": "context of the kubeconfig; default: its current one",
    "model-ready-bound": "seconds in which a model deployed by --gpu-profile has to be Ready; default 1800",
}
SCRAPES: Final[Mapping[Need, str]] = {"gateway-metrics": "gateway", "authorizer-metrics": "authorizer"}
"""Needs of series, and the component that tells them."""
DELETION_BOUND: Final = Bound("deletion_bound_s", 300)
IMAGES: Final = ("maas-controller", "maas-api", "limitador", "authorino", "kserve-controller-manager", "istiod")
TOLD: Final = 4
"""Missing permissions that a reason names; the rest is counted."""
ADMIN_URL_ANNOTATION: Final = "maas-conformance.dev/admin-url"


@contextmanager
def open_platform(options: TargetOptions, progress: Progress) -> Iterator[Platform]:
    """Look at the cluster; afterwards remove whatever carries this run's labels.

    Raises UsageFault for missing or contradictory options, EnvironmentFault when the API does not answer or there is no MaaS.
    """
    require_known(options.settings, SETTINGS, "cluster")
    if options.kubeconfig is None or options.gateway_url is None:
        raise UsageFault("--target cluster needs --kubeconfig FILE and --gateway URL")
    cluster = Cluster.connect(options.kubeconfig, context=options.settings.get("context"))
    if not cluster.knows(inventory.MAAS, "MaaSModelRef"):
        raise EnvironmentFault(
            f"{cluster.host} serves no MaaSModelRef of {inventory.MAAS}, so MaaS is not installed there; "
            "is this the right kubeconfig and context?"
        )
    run_id = f"target-{secrets.token_hex(4)}"
    with sigterm_interrupts():
        try:
            if options.gpu_profile is not None:
                bound_s = float(options.settings.get("model-ready-bound", "1800"))
                deploy_profile(cluster, options.gpu_profile, run_id, Bound("model-ready-bound", bound_s), progress)
            yield describe(cluster, options, progress)
        finally:
            if options.gpu_profile is not None and not options.keep:
                with uninterrupted():
                    sweep(cluster, run_id=run_id, bound=DELETION_BOUND)


def describe(cluster: Cluster, options: TargetOptions, progress: Progress, *, stack: Stack = "installed") -> Platform:
    """The Platform value of a cluster, everything in it looked up rather than typed."""
    assert options.gateway_url is not None
    models = inventory.governed_models(cluster)
    places = inventory.namespaces(cluster, models)
    gateway = options.gateway_url.rstrip("/")
    limiter = options.settings.get("limiter-admin")
    endpoints = Endpoints(
        gateway=gateway,
        management=(options.management_url or f"{gateway}/maas-api").rstrip("/"),
        standard_gateway=options.settings.get("standard-gateway") or inventory.standard_gateway_url(cluster),
        gateway_tls=options.settings.get("gateway-tls"),
        limiter_admin=limiter,
        metrics=options.settings.get("metrics") or (f"{limiter}/metrics" if limiter else None),
        api_metrics=options.settings.get("api-metrics"),
        issuer=options.settings.get("oidc-issuer"),
        issuer_admin=options.settings.get("oidc-issuer-admin"),
        scrapes={name: options.settings[need] for need, name in SCRAPES.items() if need in options.settings},
    )
    reasons = _reasons(cluster, places, endpoints, disposable=switch(options.settings, "disposable", default=False))
    if not switch(options.settings, "tiers", default=stack == "reference"):
        reasons["tiers"] = (
            "no object says whether access by tiers is in use here; if it is, say so with --set tiers=true"
        )
    if not switch(options.settings, "tenants", default=False):
        reasons["tenants"] = (
            "no object says whether a Gateway that is made here is reached from outside; if it is, say so with --set tenants=true"
        )
    reasons["instances"] = "Services of the cluster's inside are not reached from outside"
    progress(
        f"{cluster.host}: {len(models)} models Ready; not provided here: {', '.join(sorted(reasons)) or 'nothing'}"
    )
    needs: tuple[Need, ...] = (
        "kube",
        "clock",
        "backends",
        "metrics",
        "api-metrics",
        "standard-gateway",
        "administrators",
        "models",
        "disposable",
        "components",
        "tls",
        "kuadrant",
        "tiers",
        "oidc",
        *SCRAPES,
        "tenants",
        "instances",
        "providers",
    )
    return Platform(
        target=options.target,
        stack=stack,
        endpoints=endpoints,
        ca_file=_ca_file(options.settings),
        kubeconfig=options.kubeconfig.absolute() if options.kubeconfig else None,
        namespaces=places,
        parameters=Parameters(admission=admission_model(options.settings)),
        models=models,
        provides={need: need not in reasons for need in needs},
        reasons=reasons,
        versions=versions(cluster, places),
    )


def _ca_file(settings: Mapping[str, str]) -> Path | None:
    if "ca-file" not in settings:
        return None
    path = Path(settings["ca-file"]).absolute()
    if not path.is_file():
        raise UsageFault(f"the setting ca-file names {path}, which is no file")
    return path


@dataclass(frozen=True, slots=True)
class Rights:
    """What a need asks of the kubeconfig's identity."""

    need: Need
    permissions: tuple[Permission, ...]


def rights_needed(places: Namespaces) -> tuple[Rights, ...]:
    """What checks do in a cluster, by the need that covers it; `plan` prints it, opening the target tries it."""
    maas, inference = "maas.opendatahub.io", "inference.opendatahub.io"
    return (
        Rights(
            "kube",
            (
                *_managed("namespaces"),
                *_managed("serviceaccounts"),
                Permission("create", "serviceaccounts/token"),
                # in the namespace of subscriptions, and in namespaces of the run where none belong
                *_managed("maassubscriptions", maas),
                *_managed("maasauthpolicies", maas),
                # what the checks of schemas make, in namespaces of the run
                *(
                    right
                    for plural in ("maastenantconfigs", "externalmodels", "aitenants", "configs")
                    for right in _managed(plural, maas)
                ),
                *(right for plural in ("externalmodels", "externalproviders") for right in _managed(plural, inference)),
            ),
        ),
        Rights(
            "administrators",
            (
                *_managed("roles", "rbac.authorization.k8s.io", places.subscriptions),
                *_managed("rolebindings", "rbac.authorization.k8s.io", places.subscriptions),
            ),
        ),
        Rights(
            "models",
            (
                # beside the platform's models, and in namespaces of the run
                *_managed("llminferenceservices", "serving.kserve.io"),
                *_managed("maasmodelrefs", maas),
            ),
        ),
        Rights("tiers", (Permission("create", "subjectaccessreviews", "authorization.k8s.io"),)),
        Rights(
            "components",
            (
                Permission("list", "deployments", "apps"),
                Permission("patch", "deployments", "apps"),
                Permission("list", "pods"),
                Permission("delete", "pods"),
            ),
        ),
        Rights(
            "tenants",
            (
                *_managed("gateways", "gateway.networking.k8s.io", places.gateway),
                *_managed("aitenants", maas, "ai-tenants"),
                *(right for plural in ("maassubscriptions", "maasauthpolicies") for right in _managed(plural, maas)),
                Permission("patch", "deployments", "apps", places.infra),
                Permission("delete", "deployments", "apps", places.infra),
                *_managed("jobs", "batch", places.infra),
                *_managed("configmaps", "", places.infra),
                Permission("patch", "cronjobs", "batch", places.infra),
            ),
        ),
        Rights(
            "providers",
            (
                *_managed("deployments", "apps", places.models),
                *_managed("services", "", places.models),
                *_managed("secrets", "", places.models),
                *_managed("maasmodelrefs", maas, places.models),
                *_managed("externalmodels", maas, places.models),
                *(
                    right
                    for plural in ("externalmodels", "externalproviders")
                    for right in _managed(plural, inference, places.models)
                ),
            ),
        ),
        Rights(
            "disposable",
            (
                *_managed("validatingwebhookconfigurations", "admissionregistration.k8s.io"),
                Permission("patch", "maassubscriptions/status", maas),
                *_managed("httproutes", "gateway.networking.k8s.io", places.models),
                *_managed("authpolicies", "kuadrant.io", places.models),
                *_managed("tokenratelimitpolicies", "kuadrant.io", places.models),
                Permission("patch", "authpolicies", "kuadrant.io", places.gateway),
                *_managed("gateways", "gateway.networking.k8s.io", places.gateway),
            ),
        ),
    )


def _managed(resource: str, group: str = "", namespace: str | None = None) -> tuple[Permission, ...]:
    """Server-side apply of something new is a patch and a creation; what was made has to go again."""
    return tuple(Permission(verb, resource, group, namespace) for verb in ("create", "patch", "delete"))


def _reasons(cluster: Cluster, places: Namespaces, endpoints: Endpoints, *, disposable: bool) -> dict[Need, str]:
    """Why a need is not met, by need; what is not among them is provided."""
    reasons: dict[Need, str] = {}
    for rights in rights_needed(places):
        missing = [str(permission) for permission in rights.permissions if not may(cluster, permission)]
        if missing:
            more = f"; nor {len(missing) - TOLD} more" if len(missing) > TOLD else ""
            reasons[rights.need] = f"the kubeconfig's identity may not {'; nor '.join(missing[:TOLD])}{more}"
    if "models" not in reasons and inventory.model_service_version(cluster) is None:
        reasons["models"] = "the cluster serves no LLMInferenceService, so KServe is not installed"
    if not endpoints.gateway.startswith("https://"):
        reasons["tls"] = "the gateway is reached by plain HTTP, as development platforms are"
    if not cluster.knows("kuadrant.io/v1alpha1", "TokenRateLimitPolicy"):
        reasons["kuadrant"] = (
            "the cluster serves no TokenRateLimitPolicy of kuadrant.io, so limits take another form here"
        )
    if endpoints.limiter_admin is None:
        reasons["clock"] = (
            "time really passes here; name the reference limiter with --set limiter-admin=URL to advance its clock"
        )
    if endpoints.metrics is None:
        reasons["metrics"] = "no metrics endpoint is known; name it with --set metrics=URL"
    if endpoints.api_metrics is None:
        reasons["api-metrics"] = "the management API's series are not known; name them with --set api-metrics=URL"
    reasons |= _untold(endpoints)
    if endpoints.standard_gateway is None:
        reasons["standard-gateway"] = (
            "no second Gateway with an address was found; name it with --set standard-gateway=URL"
        )
    if not _journalled(cluster, places.models):
        reasons["backends"] = "the model servers keep no journal: their Pods lack the annotation of the mock"
        reasons["providers"] = "a provider's stand-in is a model server that keeps a journal, and none runs here"
    elif "providers" not in reasons and not cluster.knows("inference.opendatahub.io/v1alpha1", "ExternalProvider"):
        reasons["providers"] = "the cluster serves no ExternalProvider of inference.opendatahub.io"
    return reasons | _harm(cluster, places, reasons, disposable=disposable)


def _harm(cluster: Cluster, places: Namespaces, known: Mapping[Need, str], *, disposable: bool) -> dict[Need, str]:
    """Why checks may not harm this cluster, or not stop its components."""
    if not disposable:
        reason = "others may use this cluster; allow checks to harm it with --set disposable=true"
        return {"disposable": reason, "components": reason}
    if "components" not in known and not component_deployments(cluster, places):
        return {"components": NOTHING_FOUND}
    return {}


def _untold(endpoints: Endpoints) -> dict[Need, str]:
    """Why what only a person can tell of is not provided."""
    reasons: dict[Need, str] = {
        need: f"no metrics endpoint of the {name} is known; name it with --set {need}=URL"
        for need, name in SCRAPES.items()
        if name not in endpoints.scrapes
    }
    if endpoints.issuer is None or endpoints.issuer_admin is None:
        reasons["oidc"] = (
            "no issuer is known that signs tokens for any user; name one that the default tenant trusts with "
            "--set oidc-issuer=URL and --set oidc-issuer-admin=URL"
        )
    return reasons


def _journalled(cluster: Cluster, namespace: str) -> bool:
    pods = inventory.objects_or_none(cluster, "v1", "Pod", namespace=namespace)
    return any(ADMIN_URL_ANNOTATION in (pod["metadata"].get("annotations") or {}) for pod in pods)


def versions(cluster: Cluster, places: Namespaces) -> dict[str, str]:
    """Versions as the cluster shows them: its own, and the image tags or digests of the platform's Deployments."""
    found = {"kubernetes": cluster.version()}
    homes = {places.control, places.infra, places.gateway}
    for deployment in inventory.objects_or_none(cluster, "apps/v1", "Deployment"):
        name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        if namespace not in homes and not name.startswith(IMAGES):
            continue
        with suppress(KeyError, IndexError):
            image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
            found[name] = image.partition("@")[2] or image.rpartition(":")[2]
    return found
