"""What people of a namespace may do with models, asked of a real API server."""

from pathlib import Path

import pytest
import yaml

from harness.simulator.controllers.runtime.kind import NAMESPACE, ROLE_BINDING, Kind
from tests.controllers.client import Client
from tests.controllers.conftest import ROOT

CLUSTER_ROLE = Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
ACCESS = Kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False)
MAAS = "maas.opendatahub.io"


@pytest.fixture(scope="session")  # as the server is: a worker comes back to this module between tests of others
def client(kubeconfig: Path) -> Client:
    client = Client(kubeconfig)
    for role in yaml.safe_load_all((ROOT / "fixtures/cluster/base/roles.yaml").read_text()):
        metadata = {"labels": role["metadata"]["labels"]}
        client.create(CLUSTER_ROLE, role["metadata"]["name"], metadata=metadata, rules=role["rules"])
    client.create(NAMESPACE, "roles")
    for role in ("edit", "view"):
        client.create(
            ROLE_BINDING,
            role,
            "roles",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"with-{role}"}],
        )
    return client


@pytest.mark.row("MAAS-CTRL-023")
@pytest.mark.parametrize(
    ("role", "verb", "group", "resource", "allowed"),
    [
        ("edit", "create", MAAS, "maasmodelrefs", True),
        ("edit", "delete", "inference.opendatahub.io", "externalproviders", True),
        ("edit", "create", MAAS, "maassubscriptions", False),
        ("edit", "create", MAAS, "maasauthpolicies", False),
        ("edit", "create", MAAS, "aitenants", False),
        ("view", "list", MAAS, "maasmodelrefs", True),
        ("view", "create", MAAS, "maasmodelrefs", False),
        ("view", "list", MAAS, "maassubscriptions", False),
    ],
)
def test_models_are_the_namespaces_and_quotas_are_not(
    client: Client, role: str, verb: str, group: str, resource: str, allowed: bool
) -> None:
    asked = {"namespace": "roles", "verb": verb, "group": group, "resource": resource}
    review = client.create(ACCESS, "x", spec={"user": f"with-{role}", "resourceAttributes": asked})
    assert review["status"]["allowed"] is allowed
