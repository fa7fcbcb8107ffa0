"""Administrators of the platform: identities that may create MaaSAuthPolicies where subscriptions live, which is how it tells them."""

from harness.kube.manifest import Manifest, Ref
from harness.world.governance import MAAS
from harness.world.identity import Identity
from harness.world.world import World

RBAC = "rbac.authorization.k8s.io/v1"


def appoint(world: World, identity: Identity) -> Ref:
    """Give the identity the right, in force when this returns; the RoleBinding, whose deletion takes it away again."""
    namespace = world.wire.platform.namespaces.subscriptions
    name = f"{world.name}-{identity.account.name}-administrates"
    metadata = {"name": name, "namespace": namespace}
    group = MAAS.partition("/")[0]
    role: Manifest = {
        "apiVersion": RBAC,
        "kind": "Role",
        "metadata": metadata,
        "rules": [{"apiGroups": [group], "resources": ["maasauthpolicies"], "verbs": ["create"]}],
    }
    account = identity.account
    binding: Manifest = {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC.partition("/")[0], "kind": "Role", "name": name},
        "subjects": [{"kind": account.kind, "name": account.name, "namespace": account.namespace}],
    }
    world.declare(role, binding)
    world.settle()
    return Ref.of(binding)
