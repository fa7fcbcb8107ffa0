"""The questions that the API asks Kubernetes beside following objects: who holds a token, who may do what, a gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.resources.core_v1 import Service

from harness.simulator.transport import kubernetes_client

_TokenReview = create_global_resource("authentication.k8s.io", "v1", "TokenReview", "tokenreviews")
_AccessReview = create_global_resource("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews")
_Gateway = create_namespaced_resource("gateway.networking.k8s.io", "v1", "Gateway", "gateways")


class KubernetesError(Exception):
    """Kubernetes answered with an error; `code` is its HTTP status, 0 when no answer came."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Access:
    """An action on a resource, as a SubjectAccessReview spells it."""

    verb: str
    group: str
    resource: str
    namespace: str


class Cluster(Protocol):
    """What handlers ask of Kubernetes. Every method raises KubernetesError."""

    async def authenticated(self, token: str) -> bool:
        """Whether a token is valid for the API server."""

    async def may(self, username: str, groups: tuple[str, ...], access: Access) -> bool:
        """Whether a user may do that."""

    async def gateway(self, namespace: str, name: str) -> Mapping[str, Any]:
        """A Gateway object."""


class Kubernetes:
    """A connection to the API server. Every method raises KubernetesError."""

    def __init__(self, kubeconfig: Path | None) -> None:
        try:
            config = KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_env()
            self.client = kubernetes_client(config)
        except (ConfigError, OSError, AssertionError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise KubernetesError(
                0, f"cannot use the kubeconfig {kubeconfig or 'of the environment'}: {reason}"
            ) from error

    async def close(self) -> None:
        """Close the connection."""
        await self.client.aclose()

    async def authenticated(self, token: str) -> bool:
        """Whether a token is valid for the API server."""
        review = await self._create(_TokenReview.from_dict({"metadata": {}, "spec": {"token": token}}))
        return bool((review.get("status") or {}).get("authenticated"))

    async def may(self, username: str, groups: tuple[str, ...], access: Access) -> bool:
        """Whether a user may do that."""
        attributes = {
            "verb": access.verb,
            "group": access.group,
            "resource": access.resource,
            "namespace": access.namespace,
        }
        spec = {"user": username, "groups": list(groups), "resourceAttributes": attributes}
        review = await self._create(_AccessReview.from_dict({"metadata": {}, "spec": spec}))
        return bool((review.get("status") or {}).get("allowed"))

    async def gateway(self, namespace: str, name: str) -> Mapping[str, Any]:
        """A Gateway object."""
        try:
            return dict(await self.client.get(_Gateway, name, namespace=namespace))
        except Exception as error:
            raise _kubernetes_error(error) from error

    async def gateway_services(self, namespace: str, gateway: str) -> list[Mapping[str, Any]]:
        """Services that a gateway controller made for a gateway."""
        try:
            listing = self.client.list(
                Service, namespace=namespace, labels={"gateway.networking.k8s.io/gateway-name": gateway}
            )
            return [item.to_dict() async for item in listing]
        except Exception as error:
            raise _kubernetes_error(error) from error

    async def _create(self, review: Any) -> Mapping[str, Any]:
        try:
            return dict(await self.client.create(review))
        except Exception as error:
            raise _kubernetes_error(error) from error


def _kubernetes_error(error: Exception) -> KubernetesError:
    if isinstance(error, ApiError):
        return KubernetesError(error.status.code or 0, error.status.message or "no message")
    if "Timeout" in type(error).__name__:
        return KubernetesError(504, "no answer in time")
    return KubernetesError(0, f"{type(error).__name__}: {error}")
