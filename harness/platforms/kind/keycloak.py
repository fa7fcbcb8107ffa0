"""A Keycloak in the place of the reference platform's own issuer, in a kind cluster: whom the default tenant trusts, and by which CA."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from harness.kube.manifest import Manifest
from harness.outcome import UsageFault
from harness.platforms.issuer import keycloak_instead
from harness.platforms.keycloak import TrustedKeycloak
from harness.platforms.kind.settings import KindSettings

GATEWAY, AUTHORIZER, NAMESPACE = "maas-gateway", "authorizer", "openshift-ingress"
TENANT: Final = "models-as-a-service"
CA_OPTION: Final = "--oidc-ca"
CA_MAP: Final = "oidc-ca"
CA_FOLDER: Final = "/etc/maas/oidc"


def trusted_by(settings: KindSettings, run_id: str | None = None) -> TrustedKeycloak | None:
    """The Keycloak that settings name, None without one. Raises UsageFault for half of one, and one that no Pod reaches."""
    found = keycloak_instead(settings.issuer, run_id)
    if found is not None and _is_loopback(urlsplit(found.url).hostname or ""):
        raise UsageFault(
            f"the setting oidc-issuer names {found.url}, which is the Pod itself where a Pod asks: name an address of Keycloak that "
            "Pods reach too"
        )
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def trusting(manifests: Sequence[Manifest], keycloak: TrustedKeycloak | None) -> list[Manifest]:
    """The manifests, the default tenant trusting this Keycloak and the authorizer its CA; as they are without one."""
    if keycloak is None:
        return list(manifests)
    changed = [_trusting(manifest, keycloak) for manifest in manifests]
    return [*changed, *([_authority(keycloak.ca_file)] if keycloak.ca_file else [])]


def _trusting(manifest: Manifest, keycloak: TrustedKeycloak) -> Manifest:
    match manifest["kind"], manifest["metadata"]["name"]:
        case "AITenant", name if name == TENANT:
            oidc = {**manifest["spec"].get("oidc", {}), "issuerUrl": keycloak.issuer, "clientId": keycloak.client}
            return {**manifest, "spec": {**manifest["spec"], "oidc": oidc}}
        case "Deployment", name if name == GATEWAY:
            return _with_authority(manifest, mounted=keycloak.ca_file is not None)
        case _:
            return manifest


def _with_authority(manifest: Manifest, *, mounted: bool) -> Manifest:
    """The gateway's Deployment, its authorizer trusting the CA of the ConfigMap, or (without one) the image's own."""
    template = manifest["spec"]["template"]
    pod = template["spec"]
    containers = [
        _authorizer(entry, mounted=mounted) if entry["name"] == AUTHORIZER else entry for entry in pod["containers"]
    ]
    volume = [{"name": CA_MAP, "configMap": {"name": CA_MAP}}] if mounted else []
    changed = {**pod, "containers": containers, "volumes": [*pod["volumes"], *volume]}
    return {**manifest, "spec": {**manifest["spec"], "template": {**template, "spec": changed}}}


def _authorizer(container: dict[str, Any], *, mounted: bool) -> dict[str, Any]:
    words = list(container["command"])
    at = words.index(CA_OPTION)
    words[at : at + 2] = [CA_OPTION, f"{CA_FOLDER}/ca.crt"] if mounted else []
    mount = [{"name": CA_MAP, "mountPath": CA_FOLDER, "readOnly": True}] if mounted else []
    return {**container, "command": words, "volumeMounts": [*container["volumeMounts"], *mount]}


def _authority(file: Path) -> Manifest:
    """A certificate is no secret, so a ConfigMap holds it."""
    metadata = {"name": CA_MAP, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": _text(file)}}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"the setting oidc-ca names {file}, which is no certificate in PEM") from error
