"""The `cluster` target: a MaaS that is installed already, seen through nothing but a kubeconfig and URLs."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from harness.kube.cluster import Cluster
from harness.kube.janitor import sweep
from harness.kube.wait import Bound
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms import inventory
from harness.platforms.absence import SCRAPES, reasons
from harness.platforms.gpu import deploy_profile
from harness.platforms.issuer import ISSUER_SETTINGS, keycloak_in, tried
from harness.platforms.platform import Endpoints, Namespaces, Parameters, Platform, Stack, provided_unless
from harness.platforms.settings import ADMISSION, admission_model, require_known, seconds
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
    **ISSUER_SETTINGS,
    "oidc-issuer-admin": "URL where that issuer signs tokens on demand (the reference platform's issuer does)",
    "ca-file": "CA of the gateway's certificate",
    "disposable": "true: checks may harm this platform, and scale the Deployments of its components to nothing and back",
    "tiers": "true: access by tiers is in use here, so the tier annotation of a model has to take effect",
    "tenants": "true: a Gateway that a check makes gets an address that is reached from here",
    "context": "context of the kubeconfig; default: its current one",
    "model-ready-bound": "seconds in which a model deployed by --gpu-profile has to be Ready; default 1800",
}
DELETION_BOUND: Final = Bound("deletion_bound_s", 300)
IMAGES: Final = ("maas-controller", "maas-api", "limitador", "authorino", "kserve-controller-manager", "istiod")


@contextmanager
def open_platform(options: TargetOptions, progress: Progress) -> Iterator[Platform]:
    """Look at the cluster; afterwards remove whatever carries this run's labels.

    Raises UsageFault for missing or contradictory options, EnvironmentFault when the API does not answer or there is no MaaS.
    """
    require_known(options.settings, SETTINGS, "cluster")
    bound = Bound("model-ready-bound", seconds(options.settings, "model-ready-bound", default=1800))
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
                deploy_profile(cluster, options.gpu_profile, run_id, bound, progress)
            platform = describe(cluster, options, progress)
            with tried(platform.keycloak, progress):
                yield platform
        finally:
            if options.gpu_profile is not None and not options.keep:
                with uninterrupted():
                    sweep(cluster, run_id=run_id, bound=DELETION_BOUND)


def describe(cluster: Cluster, options: TargetOptions, progress: Progress, *, stack: Stack = "installed") -> Platform:
    """The Platform value of a cluster, everything in it looked up rather than typed."""
    models = inventory.governed_models(cluster)
    places = inventory.namespaces(cluster, models)
    endpoints = _endpoints(cluster, options)
    missing = reasons(cluster, places, endpoints, options.settings, stack)
    progress(
        f"{cluster.host}: {len(models)} models Ready; not provided here: {', '.join(sorted(missing)) or 'nothing'}"
    )
    return Platform(
        target=options.target,
        stack=stack,
        endpoints=endpoints,
        ca_file=_ca_file(options.settings),
        kubeconfig=options.kubeconfig.absolute() if options.kubeconfig else None,
        keycloak=keycloak_in(options.settings, options.run_id),
        namespaces=places,
        parameters=Parameters(admission=admission_model(options.settings)),
        models=models,
        provides=provided_unless(missing),
        reasons=missing,
        versions=versions(cluster, places),
    )


def _endpoints(cluster: Cluster, options: TargetOptions) -> Endpoints:
    """URLs as they were given; what the cluster itself says is asked of it."""
    assert options.gateway_url is not None
    told = options.settings
    gateway = options.gateway_url.rstrip("/")
    limiter = told.get("limiter-admin")
    return Endpoints(
        gateway=gateway,
        management=(options.management_url or f"{gateway}/maas-api").rstrip("/"),
        standard_gateway=told.get("standard-gateway") or inventory.standard_gateway_url(cluster),
        gateway_tls=told.get("gateway-tls"),
        limiter_admin=limiter,
        metrics=told.get("metrics") or (f"{limiter}/metrics" if limiter else None),
        api_metrics=told.get("api-metrics"),
        issuer=told.get("oidc-issuer"),
        issuer_admin=told.get("oidc-issuer-admin"),
        scrapes={name: told[need] for need, name in SCRAPES.items() if need in told},
    )


def _ca_file(settings: Mapping[str, str]) -> Path | None:
    if "ca-file" not in settings:
        return None
    path = Path(settings["ca-file"]).absolute()
    if not path.is_file():
        raise UsageFault(f"the setting ca-file names {path}, which is no file")
    return path


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
