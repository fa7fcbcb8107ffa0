"""What a person needs to begin on a fresh platform: identities, keys, and a request for each answer worth knowing."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.client.secret import Secret
from harness.client.trust import trust
from harness.kube.access import service_account_token
from harness.kube.apply import apply_manifests
from harness.kube.cluster import Cluster
from harness.kube.labels import run_labels
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound
from harness.outcome import EnvironmentFault
from harness.platforms.inventory import MAAS
from harness.platforms.platform import ModelHandle, Platform
from harness.platforms.readiness import wait_until_in_force

NAMESPACE: Final = "maas-users"
USER: Final = "user"
DEVELOPER: Final = "developer"
ADMIN: Final = "admin"
COLLEAGUE: Final = "colleague"
SPENDER: Final = "spender"
FRUGAL: Final = "frugal"
BUDGETS: Final = {
    DEVELOPER: ("ample", 1_000_000, "1h"),
    COLLEAGUE: ("ample-too", 1_000_000, "1h"),
    SPENDER: ("spendable", 200, "1m"),
    # one request is admitted while nothing is used, and its answer uses up the whole budget of a day
    FRUGAL: ("tiny", 1, "24h"),
}
"""Who has which subscription, with how many tokens in which window."""
TOKEN_LIFETIME_S: Final = 24 * 3600
EVERYONE: Final = "system:authenticated"
UNKNOWN_KEY: Final = "sk-oai-0000000000000000_00000000000000000000000000000000"


@dataclass(frozen=True, slots=True)
class Introduction:
    """Credentials of a platform that was just made, and curl lines that show what it answers.

    The user has what the world grants to everyone; the API key belongs to a developer with an ample budget, so that a client can be written
    against it without running into a limit; the second one to a colleague with another; and of the exhaustible one the budget of a minute,
    `BUDGETS[SPENDER]`, may be spent.
    """

    user_token: Secret
    admin_token: Secret
    api_key: Secret | None
    second_api_key: Secret | None
    exhaustible_api_key: Secret | None
    examples: tuple[tuple[int, str], ...]


def introduce(platform: Platform) -> Introduction:
    """Make the identities on a platform with a kubeconfig; keys and examples too where it offers a model."""
    if platform.kubeconfig is None:
        raise EnvironmentFault("without a kubeconfig nobody can be introduced")
    with Cluster.connect(platform.kubeconfig) as cluster:
        model = _shown_model(cluster, platform)
        objects = [*_people(platform.namespaces.subscriptions), *(_policies(platform, model) if model else [])]
        apply_manifests(cluster, objects, run_labels("up"))
        wait_until_in_force(cluster, objects, Bound("ready_bound_s", platform.parameters.ready_bound_s))
        tokens = {name: _token(cluster, name) for name in (USER, ADMIN, *BUDGETS)}
    if model is None:
        return Introduction(tokens[USER], tokens[ADMIN], None, None, None, ())
    keys = {name: _api_key(platform, tokens[name], subscription) for name, (subscription, *_) in BUDGETS.items()}
    _exhaust(platform, model, keys[FRUGAL])
    return Introduction(
        tokens[USER],
        tokens[ADMIN],
        keys[DEVELOPER],
        keys[COLLEAGUE],
        keys[SPENDER],
        _examples(platform, model, keys[DEVELOPER], keys[FRUGAL]),
    )


def _shown_model(cluster: Cluster, platform: Platform) -> ModelHandle | None:
    """A model that every authenticated caller may use, so that the user's token works on it too; else the first one, if any."""
    if not platform.models:
        return None
    opened = {
        (entry["namespace"], entry["name"])
        for policy in cluster.objects(MAAS, "MaaSAuthPolicy", namespace=platform.namespaces.subscriptions)
        if EVERYONE in [group["name"] for group in policy["spec"].get("subjects", {}).get("groups") or []]
        for entry in policy["spec"].get("modelRefs") or []
    }
    return next((model for model in platform.models if (model.namespace, model.name) in opened), platform.models[0])


def _people(subscriptions: str) -> list[Manifest]:
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(_account(name) for name in (USER, ADMIN, *BUDGETS)),
        *_administration(subscriptions),
    ]


def _policies(platform: Platform, model: ModelHandle) -> list[Manifest]:
    home = platform.namespaces.subscriptions
    users = {name: f"system:serviceaccount:{NAMESPACE}:{name}" for name in BUDGETS}
    return [
        _maas(
            "MaaSAuthPolicy",
            "introduction",
            home,
            {"modelRefs": [_ref(model)], "subjects": {"users": list(users.values())}},
        ),
        *(
            _subscription(name, home, model, users[who], limit, window)
            for who, (name, limit, window) in BUDGETS.items()
        ),
    ]


def _account(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}


def _administration(namespace: str) -> list[Manifest]:
    """What makes an administrator to maas-api: the right to create MaaSAuthPolicies where subscriptions live."""
    rbac = "rbac.authorization.k8s.io/v1"
    metadata = {"name": "maas-admin", "namespace": namespace}
    return [
        {
            "apiVersion": rbac,
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": ["maas.opendatahub.io"], "resources": ["*"], "verbs": ["*"]}],
        },
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "maas-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": ADMIN, "namespace": NAMESPACE}],
        },
    ]


def _maas(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": MAAS, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _ref(model: ModelHandle) -> dict[str, str]:
    return {"name": model.name, "namespace": model.namespace}


def _subscription(name: str, namespace: str, model: ModelHandle, user: str, limit: int, window: str) -> Manifest:
    limits = [{"limit": limit, "window": window}]
    spec = {"owner": {"users": [user]}, "modelRefs": [{**_ref(model), "tokenRateLimits": limits}]}
    return _maas("MaaSSubscription", name, namespace, spec)


def _token(cluster: Cluster, name: str) -> Secret:
    account = Ref("v1", "ServiceAccount", name, NAMESPACE)
    return Secret(service_account_token(cluster, account, lifetime_s=TOKEN_LIFETIME_S))


def _api_key(platform: Platform, token: Secret, subscription: str) -> Secret:
    import httpx

    answer = httpx.post(
        f"{platform.endpoints.management}/v1/api-keys",
        headers={"Authorization": f"Bearer {token.reveal()}"},
        json={"name": f"{subscription}-key", "subscription": subscription},
        timeout=platform.parameters.request_timeout_s,
        trust_env=False,
        verify=trust(platform.ca_file),
    )
    if answer.status_code != 201:
        raise EnvironmentFault(
            f"the platform is up but makes no API key for {subscription}: POST {answer.request.url} answered {answer.status_code}, "
            f"expected 201: {answer.text[:300]}"
        )
    return Secret(answer.json()["key"])


def _exhaust(platform: Platform, model: ModelHandle, key: Secret) -> None:
    import httpx

    answer = httpx.post(
        f"{platform.endpoints.gateway}{model.path}/v1/chat/completions",
        headers={"Authorization": f"Bearer {key.reveal()}"},
        json=_body(model),
        timeout=platform.parameters.request_timeout_s,
        trust_env=False,
        verify=trust(platform.ca_file),
    )
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return  # introduced before, in the same window: the budget is spent already
    if answer.status_code != 200:
        raise EnvironmentFault(
            f"the platform is up but its first inference call failed: POST {answer.request.url} answered {answer.status_code}, "
            f"expected 200: {answer.text[:300]}"
        )


def _body(model: ModelHandle) -> dict[str, Any]:
    return {"model": model.served_name, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


def _examples(platform: Platform, model: ModelHandle, key: Secret, frugal_key: Secret) -> tuple[tuple[int, str], ...]:
    other = next((entry for entry in platform.models if entry != model), None)
    forbidden = _curl(platform, other, key) if other else _curl(platform, model, Secret(UNKNOWN_KEY))
    return (
        (200, _curl(platform, model, key)),
        (401, _curl(platform, model, None)),
        (403, forbidden),
        (429, _curl(platform, model, frugal_key)),
    )


def _curl(platform: Platform, model: ModelHandle, key: Secret | None) -> str:
    import json

    trusted = ["--cacert", str(platform.ca_file)] if platform.ca_file else []
    words: Sequence[str] = [
        "curl",
        "-sS",
        *(trusted if platform.endpoints.gateway.startswith("https://") else []),
        "-w",
        "\\n%{http_code}\\n",
        f"{platform.endpoints.gateway}{model.path}/v1/chat/completions",
    ]
    credential = [] if key is None else ["-H", f"Authorization: Bearer {key.reveal()}"]
    return shlex.join([*words, *credential, "-H", "Content-Type: application/json", "-d", json.dumps(_body(model))])
