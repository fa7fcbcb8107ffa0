"""The kind configuration, as data: what kind reads, rendered from the settings."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

import yaml

from harness.outcome import EnvironmentFault
from harness.platforms.kind.settings import KindSettings

NODE_PORTS: Final = {"gateway": 30080, "standard": 30081, "limiter": 30082, "secure": 30083, "issuer": 30084}
"""Ports of the NodePort Services in fixtures/cluster/reference, mapped to this machine's loopback."""
CERTS_D: Final = (
    'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
)
"""Node images read certs.d by themselves from kind 0.27 on; older ones are told. The version is that of every node image's file so far:
newer kinds leave a patch of another version out."""
CA_ON_NODE: Final = "/usr/local/share/ca-certificates/maas-conformance.crt"


@dataclass(frozen=True, slots=True)
class HostPorts:
    """Where the cluster's gateways, limiter and issuer are reached on this machine; the last two by their administrative endpoints."""

    gateway: int
    standard: int
    limiter: int
    secure: int
    issuer: int


def kubernetes_minor(image: str) -> int | None:
    """The minor version that a node image's tag names; None when it does not say."""
    found = re.search(r":v1\.(\d+)\.", image)
    return int(found.group(1)) if found else None


def kind_config(settings: KindSettings, image: str, ports: HostPorts, cgroup_version: int | None) -> dict[str, Any]:
    """A `kind.x-k8s.io/v1alpha4` Cluster. Kubernetes 1.35 and newer refuse cgroup v1 unless told not to."""
    patches = [path.read_text(encoding="utf-8") for path in settings.kubeadm_patches]
    minor = kubernetes_minor(image)
    if cgroup_version == 1 and (minor is None or minor >= 35):
        patches.append(
            yaml.safe_dump(
                {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "failCgroupV1": False}
            )
        )
    mappings = [
        {"containerPort": NODE_PORTS[name], "hostPort": port, "listenAddress": "127.0.0.1", "protocol": "TCP"}
        for name, port in asdict(ports).items()
    ]
    first: dict[str, Any] = {"role": "control-plane", "image": image, "extraPortMappings": mappings}
    nodes = [first, *({"role": "worker", "image": image} for _ in range(settings.workers))]
    if settings.ca_file:
        mount = {"hostPath": str(settings.ca_file.absolute()), "containerPath": CA_ON_NODE, "readOnly": True}
        nodes = [{**node, "extraMounts": [mount]} for node in nodes]
    networking: dict[str, Any] = {
        "apiServerAddress": settings.api_server_address,
        "kubeProxyMode": settings.kube_proxy_mode,
    }
    if settings.api_server_port:
        networking["apiServerPort"] = settings.api_server_port
    config: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": settings.name,
        "networking": networking,
        "nodes": nodes,
    }
    if patches:
        config["kubeadmConfigPatches"] = patches
    containerd = [path.read_text(encoding="utf-8") for path in settings.containerd_patches]
    if settings.registry_mirrors:
        containerd.append(CERTS_D)
    if containerd:
        config["containerdConfigPatches"] = containerd
    return config


def gateway_port(config: dict[str, Any]) -> HostPorts:
    """The host ports that a configuration of the user's own maps to our NodePorts. Raises EnvironmentFault when it maps none."""
    mapped = {
        mapping.get("containerPort"): mapping.get("hostPort")
        for node in config.get("nodes") or []
        for mapping in node.get("extraPortMappings") or []
    }
    missing = [port for port in NODE_PORTS.values() if not mapped.get(port)]
    if missing:
        raise EnvironmentFault(
            f"the kind configuration maps no host port to the container ports {', '.join(map(str, missing))}, "
            "so nothing here could reach the gateway: add extraPortMappings for them"
        )
    return HostPorts(**{name: mapped[port] for name, port in NODE_PORTS.items()})


def mirror_files(settings: KindSettings) -> dict[str, str]:
    """containerd's `certs.d` files for registry mirrors: path on the node → text."""
    files = {}
    for pair in settings.registry_mirrors:
        registry, _, mirror = pair.partition("=")
        server = "https://registry-1.docker.io" if registry == "docker.io" else f"https://{registry}"
        text = f'server = "{server}"\n\n[host."{mirror}"]\n  capabilities = ["pull", "resolve"]\n'
        if settings.ca_file:
            text += f'  ca = "{CA_ON_NODE}"\n'
        files[f"/etc/containerd/certs.d/{registry}/hosts.toml"] = text
    return files
