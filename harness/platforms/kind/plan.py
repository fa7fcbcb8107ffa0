"""From settings to the steps that make, fill and remove a kind cluster."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from harness.kube.manifest import Manifest
from harness.outcome import EnvironmentFault
from harness.platforms.data import data_folder
from harness.platforms.keycloak import TrustedKeycloak
from harness.platforms.kind.certificate import Certificate
from harness.platforms.kind.config import HostPorts, gateway_port, kind_config, mirror_files
from harness.platforms.kind.image import build_steps
from harness.platforms.kind.keycloak import trusted_by, trusting
from harness.platforms.kind.reference import IMAGE, images, reference_manifests
from harness.platforms.kind.settings import KindSettings
from harness.platforms.kind.steps import Step
from harness.platforms.machine import ask, cgroup_version
from harness.platforms.pins import Pins, pins

CRD_FOLDERS: Final = ("maas", "kuadrant", "kserve")


@dataclass(frozen=True, slots=True)
class KindPlan:
    """Everything decided before the first step; `folder` is private to the run."""

    settings: KindSettings
    folder: Path
    ports: HostPorts
    node_image: str
    image: str
    manifests: tuple[Manifest, ...]
    certificate: Certificate
    pins: Pins
    keycloak: TrustedKeycloak | None = None

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own kubeconfig."""
        return (self.settings.kubeconfig or self.folder / "kubeconfig").absolute()

    @property
    def config_file(self) -> Path:
        """The kind configuration that is used."""
        return (self.settings.config or self.folder / "kind.yaml").absolute()

    @property
    def gateway_url(self) -> str:
        """The MaaS gateway as this machine reaches it."""
        return f"http://127.0.0.1:{self.ports.gateway}"

    @property
    def gateway_tls_url(self) -> str:
        """The MaaS gateway as this machine reaches it by HTTPS."""
        return f"https://127.0.0.1:{self.ports.secure}"

    @property
    def ca_file(self) -> Path:
        """The authority of the gateway's certificate."""
        return (self.folder / "gateway-ca.crt").absolute()

    @property
    def standard_gateway_url(self) -> str:
        """The standard gateway as this machine reaches it."""
        return f"http://127.0.0.1:{self.ports.standard}"

    @property
    def limiter_url(self) -> str:
        """The limiter's admin endpoint as this machine reaches it."""
        return f"http://127.0.0.1:{self.ports.limiter}"

    @property
    def issuer_admin_url(self) -> str:
        """The issuer's admin endpoint as this machine reaches it."""
        return f"http://127.0.0.1:{self.ports.issuer}"

    @property
    def issuer_url(self) -> str:
        """The issuer that the default tenant trusts, by its name within the cluster: it is what tokens say."""
        tenant = next(manifest for manifest in self.manifests if manifest["kind"] == "AITenant")
        return str(tenant["spec"]["oidc"]["issuerUrl"])


def make_plan(settings: KindSettings, folder: Path, run_id: str | None = None) -> KindPlan:
    """Decide ports, images and manifests; what is made in a Keycloak is this run's. Nothing is created."""
    pinned = pins()
    ports = _ports(settings)
    image = settings.image or f"{IMAGE}:dev"
    here = "127.0.0.1"
    urls = f"http://{here}:{ports.gateway}", f"http://{here}:{ports.standard}", f"https://{here}:{ports.secure}"
    certificate = Certificate.issued(here, "localhost")
    keycloak = trusted_by(settings, run_id)
    manifests = (*trusting(reference_manifests(image, *urls), keycloak), certificate.secret())
    node_image = settings.node_image or pinned.kind_node.image
    return KindPlan(settings, folder, ports, node_image, image, manifests, certificate, pinned, keycloak)


def _ports(settings: KindSettings) -> HostPorts:
    if settings.config:
        return gateway_port(yaml.safe_load(settings.config.read_text(encoding="utf-8")) or {})
    chosen = (
        settings.gateway_port,
        settings.standard_gateway_port,
        settings.limiter_port,
        settings.gateway_tls_port,
        settings.issuer_port,
    )
    held: list[socket.socket] = []
    try:
        found = []
        for port in chosen:
            probe = socket.socket()
            held.append(probe)
            probe.bind(("127.0.0.1", 0))
            found.append(port or int(probe.getsockname()[1]))
    finally:
        for probe in held:
            probe.close()
    return HostPorts(*found)


def rendered_config(plan: KindPlan) -> str:
    """The kind configuration as YAML: the user's own file, or ours."""
    if plan.settings.config:
        return plan.settings.config.read_text(encoding="utf-8")
    config = kind_config(plan.settings, plan.node_image, plan.ports, cgroup_version())
    return yaml.safe_dump(config, sort_keys=False)


def creation_steps(plan: KindPlan) -> list[Step]:
    """From nothing to an empty cluster that holds every image."""
    settings = plan.settings
    steps = [_write_config(plan)]
    if settings.node_image_archive:
        steps.append(
            _command(plan, "load the node image", settings.docker, "load", "--input", str(settings.node_image_archive))
        )
    if settings.image is None and settings.image_archive is None:
        steps += build_steps(settings, plan.image, plan.folder / "image")
    steps.append(_require_images(plan))
    steps.append(_command(plan, "create the cluster", *_create_words(plan)))
    steps += [_node_file(plan, path, text) for path, text in mirror_files(settings).items()]
    if settings.image_archive:
        archive = str(settings.image_archive)
        steps.append(_kind(plan, "load the archive of the reference platform", "load", "image-archive", archive))
    local = [] if settings.image_archive else images(list(plan.manifests))
    for image in [*local, *settings.images]:
        steps.append(_kind(plan, f"load {image} into the nodes", "load", "docker-image", image))
    return steps


def removal_steps(plan: KindPlan) -> list[Step]:
    """From a cluster, whole or half made, to nothing."""
    return [_kind(plan, "delete the cluster", "delete", "cluster", "--kubeconfig", str(plan.kubeconfig))]


def installation_steps(plan: KindPlan, install: Callable[[KindPlan], None]) -> list[Step]:
    """From an empty cluster to a platform: CRDs, the reference platform, the world. `install` does it over the Kubernetes API."""
    api = plan.pins.gateway_api
    origin = str(plan.settings.bundle) if plan.settings.bundle else api.base
    crds = ", ".join(str(data_folder("crds") / name) for name in CRD_FOLDERS)
    text = (
        f"Gateway API CRDs {api.version} from {origin}, {len(api.files)} files verified by sha256\n"
        f"CRDs of MaaS, Kuadrant and KServe from {crds}\n"
        f"{len(plan.manifests)} objects of {data_folder('cluster')}, image {plan.image}\n"
        f"the default tenant trusts {plan.issuer_url}{', a Keycloak' if plan.keycloak else ', the issuer beside the gateway'}\n"
        "then wait until every Deployment is Available, apply the world, and wait until it is in force"
    )
    return [Step("install the reference platform (server-side apply)", text=text, deed=lambda: install(plan))]


def _command(plan: KindPlan, title: str, *words: str) -> Step:
    return Step(title, tuple(words), plan.settings.environment)


def _kind(plan: KindPlan, title: str, *words: str) -> Step:
    return _command(plan, title, plan.settings.binary, *words, "--name", plan.settings.name)


def _create_words(plan: KindPlan) -> list[str]:
    settings = plan.settings
    words = [settings.binary, "create", "cluster", "--name", settings.name, "--config", str(plan.config_file)]
    words += ["--kubeconfig", str(plan.kubeconfig), "--wait", settings.wait]
    if settings.node_image or not settings.config:  # else the nodes of a configuration of one's own keep their images
        words += ["--image", plan.node_image]
    return words + (["--retain"] if settings.retain else [])


def _write_config(plan: KindPlan) -> Step:
    text = rendered_config(plan)

    def write() -> None:
        plan.folder.mkdir(parents=True, exist_ok=True)
        plan.ca_file.write_bytes(plan.certificate.authority)
        if not plan.settings.config:
            plan.config_file.write_text(text, encoding="utf-8")

    return Step(f"the kind configuration {plan.config_file}", text=text, deed=write)


def _require_images(plan: KindPlan) -> Step:
    """Images that are to be local have to be local before the cluster starts: pulling while Pods start is what makes kind flaky."""
    wanted = [*([] if plan.settings.image_archive else images(list(plan.manifests))), *plan.settings.images]

    def look() -> None:
        missing = [image for image in wanted if ask([plan.settings.docker, "image", "inspect", image]).code != 0]
        if missing:
            raise EnvironmentFault(
                f"these images are not on this machine: {', '.join(missing)}; build, pull or load them first"
            )

    return Step("check that every image is on this machine", text="\n".join(wanted), deed=look)


def _node_file(plan: KindPlan, path: str, text: str) -> Step:
    """Write a file on every node, through the container engine: kind has no option for certs.d."""
    write = """mkdir -p "$(dirname "$0")" && printf %s "$1" > "$0\""""
    script = f"""for node in $("$KIND" get nodes --name "$NAME"); do "$DOCKER" exec "$node" sh -c '{write}' "$TO" "$TEXT"; done"""
    variables = {
        "KIND": plan.settings.binary,
        "DOCKER": plan.settings.docker,
        "NAME": plan.settings.name,
        "TO": path,
        "TEXT": text,
    }
    return Step(
        f"tell containerd about the mirror in {path}", ("sh", "-ec", script), {**plan.settings.environment, **variables}
    )
