"""Who a client is and what it may do: tokens, reviews, roles, impersonation."""

import base64
import json
from contextlib import contextmanager

import httpx
import pytest

from tests.kubeapi.blackbox.api import Collection, causes
from tests.kubeapi.connection import connect
from tests.kubeapi.serving import eventually

CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}


@pytest.fixture
def account(whole, namespace):
    """A ServiceAccount of the test's own: its name."""
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "alice"}}
    whole.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", json=body).raise_for_status()
    return "alice"


@pytest.fixture
def request_token(whole, namespace, account):
    """Ask for a token of that account."""

    def ask(**spec) -> httpx.Response:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return whole.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", json=body)

    return ask


@pytest.fixture
def as_account(kubeconfig, request_token):
    """A client that is that account."""
    token = request_token().json()["status"]["token"]
    with connect(kubeconfig) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@contextmanager
def plain(kubeconfig, **headers):
    with connect(kubeconfig) as client:
        client.headers.pop("Authorization", None)
        client.headers.update(headers)
        yield client


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def review(whole, token, **spec):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, **spec}}
    return whole.post("/apis/authentication.k8s.io/v1/tokenreviews", json=body).json()["status"]


def allowed(whole, user, groups=(), **attributes):
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": list(groups), "resourceAttributes": attributes},
    }
    return whole.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=body).json()["status"]["allowed"]


def test_garbage_credential_is_401(whole, kubeconfig):
    with plain(kubeconfig, Authorization="Bearer nonsense") as client:
        answer = client.get("/api/v1/namespaces")
    assert answer.status_code == 401
    assert answer.json()["reason"] == "Unauthorized"


def test_token_request_answers_a_token_with_its_expiry(request_token):
    answer = request_token(expirationSeconds=3600)
    assert answer.status_code == 201
    status = answer.json()["status"]
    assert status["token"].count(".") == 2
    assert status["expirationTimestamp"]


def test_token_carries_the_account(request_token, namespace, account):
    body = claims(request_token().json()["status"]["token"])
    assert body["sub"] == f"system:serviceaccount:{namespace}:{account}"
    assert body["kubernetes.io"]["namespace"] == namespace
    assert body["kubernetes.io"]["serviceaccount"]["name"] == account


def test_token_has_the_audience_and_life_that_were_asked_for(request_token):
    body = claims(request_token(audiences=["gateway"], expirationSeconds=600).json()["status"]["token"])
    assert body["aud"] == ["gateway"]
    assert body["exp"] - body["iat"] == 600


def test_too_short_a_life_is_422(request_token):
    assert ("spec.expirationSeconds", "FieldValueInvalid") in causes(request_token(expirationSeconds=599))


def test_token_of_nobody_is_404(whole, namespace):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    assert whole.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/ghost/token", json=body).status_code == 404


def test_review_of_a_good_token_names_user_and_groups(whole, request_token, namespace, account):
    status = review(whole, request_token().json()["status"]["token"])
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:{account}"
    assert {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"} <= set(
        status["user"]["groups"]
    )


def test_review_of_garbage_is_not_authenticated(whole):
    assert not review(whole, "nonsense").get("authenticated", False)


def test_review_for_another_audience_is_not_authenticated(whole, request_token):
    token = request_token(audiences=["gateway"]).json()["status"]["token"]
    assert not review(whole, token, audiences=["elsewhere"]).get("authenticated", False)
    assert review(whole, token, audiences=["gateway", "more"])["audiences"] == ["gateway"]


def test_token_for_another_audience_does_not_open_the_api(whole, kubeconfig, request_token):
    token = request_token(audiences=["gateway"]).json()["status"]["token"]
    with plain(kubeconfig, Authorization=f"Bearer {token}") as client:
        assert client.get("/api/v1/namespaces").status_code == 401


def test_token_dies_with_its_account(whole, request_token, namespace, account):
    token = request_token().json()["status"]["token"]
    whole.delete(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}")
    assert not review(whole, token).get("authenticated", False)


def test_account_may_do_nothing_by_default(as_account, namespace, account):
    answer = as_account.get(f"/api/v1/namespaces/{namespace}/configmaps")
    assert answer.status_code == 403
    assert answer.json()["reason"] == "Forbidden"
    assert answer.json()["message"] == (
        f'configmaps is forbidden: User "system:serviceaccount:{namespace}:{account}" cannot list resource "configmaps" '
        f'in API group "" in the namespace "{namespace}"'
    )


def test_account_may_ask_who_it_is(as_account, namespace, account):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = as_account.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=body)
    assert answer.json()["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:{account}"


def grant(whole, namespace, account, rules, subject=None):
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": rules}
    whole.post(f"{rbac}/roles", json=role).raise_for_status()
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [subject or {"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    whole.post(f"{rbac}/rolebindings", json=binding).raise_for_status()


def test_role_grants_its_verbs_and_no_more(whole, as_account, namespace, account):
    grant(whole, namespace, account, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get"]}])
    mine = Collection(as_account, f"/api/v1/namespaces/{namespace}/configmaps")
    assert mine.create(CONFIGMAP).status_code == 201
    assert mine.get("c").status_code == 200
    assert mine.all().status_code == 403
    assert mine.delete("c").status_code == 403


def test_role_ends_at_its_namespace(whole, as_account, namespace, account):
    grant(whole, namespace, account, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}])
    assert as_account.get("/api/v1/namespaces/default/configmaps").status_code == 403


def test_role_for_one_name(whole, as_account, namespace, account, configmaps):
    configmaps.create(CONFIGMAP)
    grant(
        whole,
        namespace,
        account,
        [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["c"], "verbs": ["get"]}],
    )
    mine = Collection(as_account, f"/api/v1/namespaces/{namespace}/configmaps")
    assert mine.get("c").status_code == 200
    assert mine.get("d").status_code == 403


def test_subresource_needs_its_own_grant(whole, as_account, namespace, account, widgets, widget):
    widgets.create(widget("a"))
    grant(
        whole,
        namespace,
        account,
        [{"apiGroups": ["blackbox.example.com"], "resources": ["widgets"], "verbs": ["get", "patch"]}],
    )
    mine = Collection(as_account, widgets.path)
    assert mine.patch("a", {"spec": {"size": 2}}).status_code == 200
    assert mine.patch("a", {"status": {"phase": "x"}}, subresource="status").status_code == 403


def test_role_may_be_bound_to_the_group_of_a_namespace(whole, as_account, namespace, account):
    group = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": f"system:serviceaccounts:{namespace}"}
    grant(whole, namespace, account, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}], group)
    assert as_account.get(f"/api/v1/namespaces/{namespace}/configmaps").status_code == 200


def test_access_review_agrees_with_the_role(whole, namespace, account):
    grant(whole, namespace, account, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])
    user = f"system:serviceaccount:{namespace}:{account}"
    assert allowed(whole, user, namespace=namespace, verb="get", resource="configmaps")
    assert not allowed(whole, user, namespace=namespace, verb="delete", resource="configmaps")
    assert not allowed(whole, user, namespace="default", verb="get", resource="configmaps")


def test_access_review_of_the_masters(whole):
    assert allowed(whole, "somebody", ["system:masters"], verb="delete", resource="nodes")


def test_self_review_of_the_admin(whole):
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "create", "resource": "namespaces"}},
    }
    assert (
        whole.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=body).json()["status"]["allowed"]
        is True
    )


def test_rules_review_lists_a_grant(whole, as_account, namespace, account):
    grant(whole, namespace, account, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    rules = as_account.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json=body).json()["status"][
        "resourceRules"
    ]
    assert any(one["resources"] == ["configmaps"] and one["verbs"] == ["get"] for one in rules)


def test_aggregated_cluster_role_collects_rules(whole, namespace):
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    roles = Collection(whole, path)
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    rule = {"apiGroups": ["x.example.com"], "resources": ["things"], "verbs": ["get"]}
    total = kind | {
        "metadata": {"name": f"{namespace}-all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"agg": namespace}}]},
    }
    part = kind | {"metadata": {"name": f"{namespace}-part", "labels": {"agg": namespace}}, "rules": [rule]}
    roles.create(total).raise_for_status()
    roles.create(part).raise_for_status()
    eventually(lambda: roles.get(f"{namespace}-all").json().get("rules") == [rule], "the rules are collected", 30)
    roles.delete(f"{namespace}-part")
    roles.delete(f"{namespace}-all")


def test_impersonation_takes_the_rights_of_the_other(whole, namespace, account):
    headers = {"Impersonate-User": f"system:serviceaccount:{namespace}:{account}"}
    assert whole.get(f"/api/v1/namespaces/{namespace}/configmaps", headers=headers).status_code == 403


def test_impersonation_of_a_group(whole):
    headers = {"Impersonate-User": "somebody", "Impersonate-Group": "system:masters"}
    assert whole.get("/api/v1/namespaces", headers=headers).status_code == 200


def test_impersonation_needs_a_right(as_account):
    answer = as_account.get("/api/v1/namespaces", headers={"Impersonate-User": "admin"})
    assert answer.status_code == 403
    assert "cannot impersonate resource" in answer.json()["message"]


def test_role_reference_cannot_change(whole, namespace, account):
    grant(whole, namespace, account, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])
    bindings = Collection(whole, f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings")
    assert bindings.patch("r", {"roleRef": {"name": "other"}}).status_code == 422


def test_namespaces_have_a_default_account(whole, namespace):
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    eventually(lambda: whole.get(path).status_code == 200, "the default ServiceAccount is made", 30)
