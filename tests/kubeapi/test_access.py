"""Tokens, roles and impersonation."""

import asyncio
import time
from typing import Any

import pytest

from harness.simulator.kubeapi import identity as module
from harness.simulator.kubeapi.identity import Identities, TokenError, User, new_key
from harness.simulator.kubeapi.jwt import decode_part, encode_part, pack, unpack
from harness.simulator.kubeapi.rbac import Attributes, authorize, grants
from harness.simulator.kubeapi.store import Store
from tests.kubeapi.in_process import Answer, InProcess

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUDIENCE = [module.DEFAULT_AUDIENCE]


@pytest.fixture
def identities() -> Identities:
    store = Store()
    store.put(("", "serviceaccounts"), {"metadata": {"name": "bob", "namespace": "ns", "uid": "u1"}})
    return Identities(store, new_key(), "admin-token")


def issued(identities: Identities, **options: Any) -> str:
    given = {"audiences": AUDIENCE, "seconds": 600, "bound": {}} | options
    return identities.issue("ns", "bob", "u1", **given)[0]


def test_a_token_names_its_account_and_groups(identities: Identities) -> None:
    user, shared = identities.verify(issued(identities), AUDIENCE)
    assert user.name == "system:serviceaccount:ns:bob"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert shared == AUDIENCE


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_with_a_changed_part_is_refused(identities: Identities, part: int) -> None:
    parts = issued(identities).split(".")
    parts[part] = encode_part(bytes([decode_part(parts[part])[0] ^ 1]) + decode_part(parts[part])[1:])
    with pytest.raises(TokenError):
        identities.verify(".".join(parts), AUDIENCE)


def test_a_token_that_names_no_algorithm_is_refused(identities: Identities) -> None:
    _, claims, _, _ = unpack(issued(identities))
    with pytest.raises(TokenError):
        identities.verify(pack({"alg": "none"}, claims) + ".", AUDIENCE)


def test_a_token_of_another_server_is_refused(identities: Identities) -> None:
    with pytest.raises(TokenError):
        identities.verify(issued(Identities(identities.store, new_key(), "x")), AUDIENCE)


def test_a_token_ends_with_its_time(identities: Identities, monkeypatch: pytest.MonkeyPatch) -> None:
    token = issued(identities)
    identities.verify(token, AUDIENCE)
    later = time.time() + 601
    monkeypatch.setattr(module.time, "time", lambda: later)
    with pytest.raises(TokenError, match="expired"):
        identities.verify(token, AUDIENCE)


def test_a_token_is_good_for_its_audiences_alone(identities: Identities) -> None:
    token = issued(identities, audiences=["maas", "other"])
    assert identities.verify(token, ["maas"])[1] == ["maas"]
    with pytest.raises(TokenError, match="audiences"):
        identities.verify(token, AUDIENCE)


def test_a_token_ends_with_its_account(identities: Identities) -> None:
    token = issued(identities)
    identities.verify(token, AUDIENCE)
    entry = identities.store.get(("", "serviceaccounts"), "ns", "bob")
    assert entry is not None
    identities.store.remove(("", "serviceaccounts"), entry)
    identities.store.put(("", "serviceaccounts"), {"metadata": {"name": "bob", "namespace": "ns", "uid": "u2"}})
    with pytest.raises(TokenError, match="invalidated"):
        identities.verify(token, AUDIENCE)


def test_a_bound_token_ends_with_its_pod(identities: Identities) -> None:
    pod = identities.store.put(("", "pods"), {"metadata": {"name": "p", "namespace": "ns", "uid": "up"}})
    token = issued(identities, bound={"pod": {"name": "p", "uid": "up"}})
    user, _ = identities.verify(token, AUDIENCE)
    assert user.extra["authentication.kubernetes.io/pod-name"] == ("p",)
    identities.store.remove(("", "pods"), pod)
    with pytest.raises(TokenError, match="invalidated"):
        identities.verify(token, AUDIENCE)


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "....", "é.é.é", "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA"])
def test_texts_that_are_no_tokens(identities: Identities, token: str) -> None:
    with pytest.raises(TokenError):
        identities.verify(token, AUDIENCE)


@pytest.mark.parametrize(
    ("rule", "asked", "granted"),
    [
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, Attributes("get", "", "pods"), True),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, Attributes("list", "", "pods"), False),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, Attributes("get", "apps", "pods"), False),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, Attributes("get", "", "pods", "log"), False),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]}, Attributes("get", "", "pods", "log"), True),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["*/log"]}, Attributes("get", "", "pods", "log"), True),
        ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, Attributes("delete", "x", "y", "z"), True),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
            Attributes("get", "", "pods", name="a"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
            Attributes("get", "", "pods", name="b"),
            False,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
            Attributes("get", "", "pods"),
            False,
        ),
        ({"verbs": ["get"], "nonResourceURLs": ["/metrics"]}, Attributes("get", path="/metrics"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}, Attributes("get", path="/logs/a/b"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}, Attributes("get", path="/metrics"), False),
        ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, Attributes("get", path="/metrics"), False),
    ],
)
def test_what_a_rule_grants(rule: dict[str, Any], asked: Attributes, granted: bool) -> None:
    assert grants(rule, asked) is granted


def as_user(server: InProcess, *requests: tuple[Any, ...], name: str = "ann", groups: str = "") -> Answer:
    """The answer to the last of some requests, which the admin makes in the name of somebody else."""

    async def run() -> Answer:
        for each in requests[:-1]:
            answer = await server.call(*each)
            assert answer.code == 201, answer.raw
        return await server.call(
            *requests[-1], headers={"impersonate-user": name, **({"impersonate-group": groups} if groups else {})}
        )

    return asyncio.run(run())


def role(kind: str, name: str, rules: list[Any], **more: Any) -> tuple[str, str, Any]:
    place = "clusterroles" if kind == "ClusterRole" else "namespaces/default/roles"
    return "POST", f"{RBAC}/{place}", {"metadata": {"name": name, **more}, "rules": rules}


def binding(kind: str, of: str, subject: dict[str, Any], *, everywhere: bool = False) -> tuple[str, str, Any]:
    place = "clusterrolebindings" if everywhere else "namespaces/default/rolebindings"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": of}
    return "POST", f"{RBAC}/{place}", {"metadata": {"name": of}, "roleRef": reference, "subjects": [subject]}


READ_MAPS = [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"]}]
ANN = {"kind": "User", "name": "ann"}
MAPS = "/api/v1/namespaces/default/configmaps"


def test_nothing_is_allowed_that_no_rule_grants() -> None:
    answer = as_user(InProcess(), ("GET", MAPS))
    assert answer.code == 403
    expected = 'configmaps is forbidden: User "ann" cannot list resource "configmaps" in API group "" in the namespace "default"'
    assert answer.body["message"] == expected


def test_a_role_reaches_as_far_as_its_binding() -> None:
    server = InProcess()
    assert as_user(server, role("Role", "r", READ_MAPS), binding("Role", "r", ANN), ("GET", MAPS)).code == 200
    assert as_user(server, ("GET", "/api/v1/namespaces/kube-system/configmaps")).code == 403
    assert as_user(server, ("GET", "/api/v1/configmaps")).code == 403
    assert as_user(server, ("DELETE", f"{MAPS}/kube-root-ca.crt")).code == 403


def test_a_cluster_binding_reaches_everywhere() -> None:
    server = InProcess()
    given = (
        role("ClusterRole", "r", READ_MAPS),
        binding("ClusterRole", "r", {"kind": "Group", "name": "team"}, everywhere=True),
    )
    assert as_user(server, *given, ("GET", "/api/v1/configmaps"), groups="team").code == 200
    assert as_user(server, ("GET", "/api/v1/configmaps"), groups="other").code == 403


def test_aggregated_roles_follow_their_parts() -> None:
    server = InProcess()
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    rules = [{"verbs": ["get"], "apiGroups": ["maas.opendatahub.io"], "resources": ["maasmodelrefs"]}]
    as_user(
        server,
        role("ClusterRole", "maas-view", rules, labels=labels),
        binding("ClusterRole", "view", ANN),
        ("GET", MAPS),
    )
    asked = Attributes("get", "maas.opendatahub.io", "maasmodelrefs", namespace="default")
    assert authorize(server.cluster, User("ann"), asked).allowed
    server.do("DELETE", f"{RBAC}/clusterroles/maas-view")
    assert not authorize(server.cluster, User("ann"), asked).allowed


def test_impersonation_needs_its_own_permission() -> None:
    server = InProcess()
    made = server.do("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "bob"}})
    assert made.code == 201
    token = server.do("POST", "/api/v1/namespaces/default/serviceaccounts/bob/token", {}).body["status"]["token"]
    refused = server.do("GET", MAPS, token=token, headers={"impersonate-user": "ann"})
    assert refused.code == 403
    assert 'cannot impersonate resource "users"' in refused.body["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer "},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer x"},
    ],
)
def test_who_is_not_known_gets_401(headers: dict[str, str]) -> None:
    answer = InProcess().do("GET", MAPS, headers=headers)
    assert (answer.code, answer.body["reason"]) == (401, "Unauthorized")


def test_health_and_version_are_for_everyone() -> None:
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert InProcess().do("GET", path, headers={"authorization": ""}).code == 200


WRITE_ROLES = [
    {"verbs": ["create", "update"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]}
]


def author(server: InProcess, rules: list[Any]) -> None:
    """Ann may write roles and bindings, and holds some other rules."""
    as_user(server, role("Role", "author", WRITE_ROLES + rules), binding("Role", "author", ANN), ("GET", MAPS))


@pytest.mark.parametrize(
    ("held", "granted", "code"),
    [
        (READ_MAPS, READ_MAPS, 201),
        (READ_MAPS, [{"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"]}], 201),
        (READ_MAPS, [{"verbs": ["delete"], "apiGroups": [""], "resources": ["configmaps"]}], 403),
        (READ_MAPS, [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], 403),
        (READ_MAPS, [{"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps", "secrets"]}], 403),
        ([{"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]}], READ_MAPS, 201),
    ],
)
def test_nobody_grants_what_they_do_not_hold(held: list[Any], granted: list[Any], code: int) -> None:
    server = InProcess()
    author(server, held)
    answer = as_user(server, role("Role", "new", granted))
    assert answer.code == code, answer.raw
    assert ("is attempting to grant RBAC permissions not currently held" in answer.body.get("message", "")) is (
        code == 403
    )


def test_a_binding_hands_out_no_more_than_its_writer_holds() -> None:
    server = InProcess()
    author(server, READ_MAPS)
    everything = as_user(server, binding("ClusterRole", "cluster-admin", ANN))
    assert everything.code == 403
    server.do(*role("Role", "reader", READ_MAPS))
    assert as_user(server, binding("Role", "reader", {"kind": "User", "name": "bob"})).code == 201
    allowed = [
        {
            "verbs": ["bind"],
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"],
            "resourceNames": ["view"],
        }
    ]
    as_user(
        server,
        role("ClusterRole", "binder", allowed),
        binding("ClusterRole", "binder", ANN, everywhere=True),
        ("GET", MAPS),
    )
    assert as_user(server, binding("ClusterRole", "view", {"kind": "User", "name": "bob"})).code == 201
