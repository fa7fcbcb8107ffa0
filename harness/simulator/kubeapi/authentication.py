"""Who sends a request, and whether that caller may do what it asks."""

from harness.simulator.kubeapi.asgi import Request
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.identity import DEFAULT_AUDIENCE, TokenError, User, impersonated
from harness.simulator.kubeapi.rbac import Attributes, authorize
from harness.simulator.kubeapi.status import ApiError, forbidden, unauthorized


def authenticate(cluster: Cluster, request: Request) -> User:
    """The caller behind a bearer token, or the user it impersonates. Raises ApiError 401 or 403."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized()
    try:
        user, _ = cluster.identities.verify(token.strip(), [DEFAULT_AUDIENCE])
    except TokenError as error:
        raise unauthorized() from error
    name = request.headers.get("impersonate-user")
    if name:
        _allow_impersonation(cluster, user, name, request)
        return impersonated(user, name, request.groups, request.headers.get("impersonate-uid", ""), request.extras)
    if request.groups or request.extras or request.headers.get("impersonate-uid"):
        # A cluster answers 500 here although the client is at fault; 400 says the same and blames the right side.
        raise ApiError(
            400, "BadRequest", "requested impersonation without impersonating a user: send Impersonate-User too"
        )
    return user


def _allow_impersonation(cluster: Cluster, user: User, name: str, request: Request) -> None:
    parts = name.split(":")
    if name.startswith("system:serviceaccount:") and len(parts) == 4:
        asked = [Attributes("impersonate", "", "serviceaccounts", "", parts[2], parts[3])]
    else:
        asked = [Attributes("impersonate", "", "users", name=name)]
    asked += [Attributes("impersonate", "", "groups", name=group) for group in request.groups]
    for key, values in request.extras.items():
        asked += [Attributes("impersonate", "authentication.k8s.io", "userextras", key, name=value) for value in values]
    for each in asked:
        allow(cluster, user, each)


def allow(cluster: Cluster, user: User, asked: Attributes) -> None:
    """Return when the user may do it. Raises ApiError 403 in the words of a cluster."""
    decision = authorize(cluster, user, asked)
    if decision.allowed:
        return
    if asked.path:
        raise ApiError(403, "Forbidden", f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"', {})
    whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    why = f'User "{user.name}" cannot {asked.verb} resource "{whole}" in API group "{asked.group}"{where}'
    raise forbidden(asked.resource, asked.group, asked.name, why)
