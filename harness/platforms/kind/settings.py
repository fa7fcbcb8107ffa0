"""What can be chosen about a kind cluster: by `--set key=value`, or in a YAML file (`--environment FILE`), strict either way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.outcome import UsageFault
from harness.platforms.issuer import ISSUER_SETTINGS
from harness.platforms.settings import require_known
from harness.platforms.strict_file import read_strict, sentences

_LISTS = frozenset({"registry-mirrors", "kubeadm-patches", "containerd-patches", "images", "build-args"})


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class KindSettings(BaseModel):
    """Every choice; names are written with dashes."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=_dashed)

    # the tool and the cluster
    binary: str = Field("kind", description="the kind binary")
    docker: str = Field("docker", description="the docker (or podman, nerdctl) binary")
    name: str = Field("maas-conformance", pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="of the cluster")
    config: Path | None = Field(None, description="a kind configuration of your own instead of the rendered one")
    kubeconfig: Path | None = Field(
        None, description="where its kubeconfig goes; never ~/.kube/config unless named here"
    )
    wait: str = Field("120s", pattern=r"^[0-9]+[smh]$", description="for the control plane")
    retain: bool = Field(False, description="keep the nodes when creation fails")
    keep: bool = Field(False, description="keep the cluster at the end")
    workers: int = Field(0, ge=0, le=20)
    ready_bound_s: int = Field(300, ge=1, description="seconds until everything installed is Available")
    # nodes
    node_image: str | None = Field(
        None, description="tag or digest; a local image is used without a pull; default: the pinned one"
    )
    node_image_archive: Path | None = Field(
        None, description="a `docker save` archive of the node image, loaded before the start"
    )
    api_server_address: str = "127.0.0.1"
    api_server_port: int = Field(0, ge=0, le=65535)
    gateway_port: int = Field(0, ge=0, le=65535, description="on this machine; 0 takes a free one")
    standard_gateway_port: int = Field(0, ge=0, le=65535)
    limiter_port: int = Field(0, ge=0, le=65535)
    gateway_tls_port: int = Field(0, ge=0, le=65535)
    issuer_port: int = Field(0, ge=0, le=65535, description="of the issuer's administrative endpoint")
    kube_proxy_mode: Literal["iptables", "nftables"] = Field(
        "iptables", description="IPVS is not offered: it needs kernel modules"
    )
    kubeadm_patches: tuple[Path, ...] = Field((), description="files with kubeadmConfigPatches")
    containerd_patches: tuple[Path, ...] = Field((), description="files with containerdConfigPatches (TOML)")
    registry_mirrors: tuple[str, ...] = Field((), description="REGISTRY=URL each, through containerd's certs.d")
    ca_file: Path | None = Field(
        None, description="CA that nodes and image builds trust (mirrors, proxies, package index)"
    )
    # images
    image: str | None = Field(None, description="the reference platform's image; default: built here")
    image_archive: Path | None = Field(None, description="a `docker save` archive of it, loaded into the nodes")
    images: tuple[str, ...] = Field((), description="further local images to load into the nodes")
    base_image: str = Field(
        "python:3.11-slim-bookworm", description="of the image build; any Debian or Ubuntu with Python 3.11"
    )
    index_url: str | None = Field(None, description="package index of the image build")
    build_args: tuple[str, ...] = Field((), description="NAME=VALUE each, further arguments of the image build")
    build_network: str | None = Field(
        None, description="network of the image build, e.g. host where the daemon has no bridge"
    )
    bundle: Path | None = Field(None, description="folder with the files of fixtures/pins.yaml, for closed networks")
    # an issuer of one's own, as the cluster target has it
    oidc_issuer: str | None = Field(None, description=ISSUER_SETTINGS["oidc-issuer"])
    oidc_client: str | None = Field(None, description=ISSUER_SETTINGS["oidc-client"])
    oidc_client_secret_file: Path | None = Field(None, description=ISSUER_SETTINGS["oidc-client-secret-file"])
    oidc_ca: Path | None = Field(None, description=ISSUER_SETTINGS["oidc-ca"])
    keycloak_admin_client: str | None = Field(None, description=ISSUER_SETTINGS["keycloak-admin-client"])
    keycloak_admin_secret_file: Path | None = Field(None, description=ISSUER_SETTINGS["keycloak-admin-secret-file"])
    keycloak_admin_realm: str | None = Field(None, description=ISSUER_SETTINGS["keycloak-admin-realm"])
    # the environment of kind
    http_proxy: str | None = None
    https_proxy: str | None = None
    no_proxy: str | None = None
    provider: Literal["docker", "podman", "nerdctl"] | None = Field(None, description="KIND_EXPERIMENTAL_PROVIDER")
    docker_network: str | None = Field(None, description="KIND_EXPERIMENTAL_DOCKER_NETWORK")
    podman_network: str | None = Field(None, description="KIND_EXPERIMENTAL_PODMAN_NETWORK")
    containerd_snapshotter: str | None = Field(None, description="KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER")

    @field_validator("registry_mirrors", "build_args")
    @classmethod
    def _pairs(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            left, separator, right = value.partition("=")
            if not (left and separator and right):
                raise ValueError(f"expected NAME=VALUE, got {value!r}")
        return values

    @field_validator(
        "config", "node_image_archive", "image_archive", "ca_file", "bundle", "kubeadm_patches", "containerd_patches"
    )
    @classmethod
    def _present(cls, value: Path | tuple[Path, ...] | None) -> Path | tuple[Path, ...] | None:
        for path in value if isinstance(value, tuple) else (value,):
            if path is not None and not path.exists():
                raise ValueError(f"there is no {path}")
        return value

    @property
    def issuer(self) -> dict[str, str]:
        """What was said of an issuer, as the cluster target is told of it."""
        named = {key: getattr(self, key.replace("-", "_")) for key in ISSUER_SETTINGS}
        return {key: str(value) for key, value in named.items() if value is not None}

    @property
    def environment(self) -> dict[str, str]:
        """Variables for kind and docker."""
        chosen = {
            "HTTP_PROXY": self.http_proxy,
            "HTTPS_PROXY": self.https_proxy,
            "NO_PROXY": self.no_proxy,
            "KIND_EXPERIMENTAL_PROVIDER": self.provider,
            "KIND_EXPERIMENTAL_DOCKER_NETWORK": self.docker_network,
            "KIND_EXPERIMENTAL_PODMAN_NETWORK": self.podman_network,
            "KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER": self.containerd_snapshotter,
        }
        return {name: text for name, text in chosen.items() if text is not None}


def known_settings() -> dict[str, str]:
    """Every setting and what it means."""
    return {_dashed(name): field.description or name for name, field in KindSettings.model_fields.items()}


def kind_settings(file: Path | None, chosen: Mapping[str, str]) -> KindSettings:
    """The file's settings, overruled by `--set`; lists are separated by commas there. Raises UsageFault."""
    require_known(chosen, known_settings(), "kind")
    base = read_strict(file, KindSettings, "kind settings") if file else KindSettings()
    values: dict[str, Any] = base.model_dump(by_alias=True, exclude_unset=True)
    values |= {key: text.split(",") if key in _LISTS else text for key, text in chosen.items()}
    try:
        return KindSettings.model_validate(values)
    except ValidationError as error:
        raise UsageFault(f"a setting of the target kind is not valid: {sentences(error)}") from error
