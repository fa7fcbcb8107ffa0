"""How a controller reaches the API server: a kubeconfig file, or the ServiceAccount of its Pod."""

from pathlib import Path

from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ConfigError

from harness.simulator.transport import kubernetes_client


class UnusableConnectionError(Exception):
    """The kubeconfig cannot be used; the text is one sentence for the person at the terminal."""


def connect(kubeconfig: Path | None, field_manager: str) -> AsyncClient:
    """A client for the API server. Raises UnusableConnectionError when the configuration is missing or malformed."""
    where = str(kubeconfig) if kubeconfig is not None else "the Pod's ServiceAccount"
    try:
        config = KubeConfig.from_service_account() if kubeconfig is None else KubeConfig.from_file(kubeconfig)
        return kubernetes_client(config, field_manager)
    except ConfigError as error:
        raise UnusableConnectionError(f"cannot use {where} to reach the Kubernetes API: {error}") from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UnusableConnectionError(
            f"cannot use {where} to reach the Kubernetes API: {type(error).__name__}: {error}; expected a kubeconfig file"
        ) from error
