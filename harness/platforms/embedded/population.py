"""What happens to a fresh Kubernetes API while the other components start beside it."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from harness.kube.documents import Document
from harness.kube.wait import Bound, wait_for
from harness.platforms.embedded.world import announce_maas_api, maas_api_served, realm_url, trusting
from harness.platforms.keycloak import TrustedKeycloak
from harness.platforms.platform import ModelHandle, Namespaces
from harness.platforms.target import Progress


@dataclass(frozen=True, slots=True)
class Found:
    """What the populated platform says of itself."""

    models: tuple[ModelHandle, ...]
    namespaces: Namespaces
    kubernetes: str


def populate(
    kubeconfig: Path,
    documents: Sequence[Document],
    ready: Mapping[str, "Future[Mapping[str, str]]"],
    bound: Bound,
    progress: Progress,
    keycloak: TrustedKeycloak | None = None,
) -> Found:
    """Apply the documents as soon as the API answers, announce maas-api when it does, and wait until the world is in force.

    Runs in a thread of its own: importing the Kubernetes client takes most of a second, which passes while the API starts.
    """
    from harness.kube.apply import apply_documents
    from harness.kube.cluster import Cluster
    from harness.platforms import inventory
    from harness.platforms.readiness import wait_until_in_force

    Cluster.preload()
    ready["kubeapi"].result()
    with Cluster.connect(kubeconfig) as cluster:
        progress(f"applying {len(documents)} objects")
        if keycloak is not None:
            documents = trusting(documents, keycloak.issuer, keycloak.client)
        else:
            documents = trusting(documents, realm_url(ready["issuer"].result()["issuer"]))
        apply_documents(cluster, documents)
        announce_maas_api(cluster, ready["maas-api"].result()["api"])
        progress("waiting until models are Ready and policies Enforced")
        wait_until_in_force(cluster, [document.manifest for document in documents], bound)
        wait_for(cluster, maas_api_served(), bound)
        models = inventory.governed_models(cluster)
        return Found(models, inventory.namespaces(cluster, models), cluster.version())
