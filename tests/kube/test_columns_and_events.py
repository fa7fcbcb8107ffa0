"""What people are shown: printed columns, events, and what somebody else may do."""

import pytest

from harness.kube.access import Permission, may_as
from harness.kube.columns import Column, columns_of
from harness.kube.events import Event, events_about
from harness.kube.fault import Rejected
from harness.kube.manifest import Ref

RBAC = "rbac.authorization.k8s.io/v1"


def test_columns_come_in_their_order_and_wide_ones_are_told(cluster):
    found = columns_of(cluster, "maas.opendatahub.io/v1alpha1", "MaaSAuthPolicy")
    assert found == (Column("Phase"), Column("Age"), Column("AuthPolicies", wide=True))


def test_a_kind_that_is_not_served_has_no_columns(cluster):
    with pytest.raises(Rejected) as caught:
        columns_of(cluster, "maas.opendatahub.io/v1alpha1", "MaaSNothing")
    assert caught.value.status == 404


def test_events_are_those_of_the_object_alone(cluster, namespace):
    ref = Ref("v1", "ConfigMap", "one", namespace)
    for name, reason in (("one", "Mine"), ("other", "Theirs")):
        about = {"kind": "ConfigMap", "name": name, "namespace": namespace, "apiVersion": "v1"}
        cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"news-of-{name}", "namespace": namespace},
                "involvedObject": about,
                "type": "Warning",
                "reason": reason,
                "message": "it happened",
            }
        )
    assert events_about(cluster, ref) == (Event("Warning", "Mine", "it happened"),)


def test_somebody_else_may_what_their_group_was_given(cluster, namespace):
    role = {
        "apiVersion": RBAC,
        "kind": "Role",
        "metadata": {"name": "poster", "namespace": namespace},
        "rules": [{"apiGroups": ["x.example"], "resources": ["things"], "resourceNames": ["a"], "verbs": ["post"]}],
    }
    binding = {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": "poster", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "poster"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "posters"}],
    }
    cluster.apply(role)
    cluster.apply(binding)

    def allowed(name: str, *groups: str) -> bool:
        permission = Permission("post", "things", "x.example", namespace, name)
        return may_as(cluster, permission, user="somebody", groups=groups)

    assert allowed("a", "posters")
    assert not allowed("b", "posters")
    assert not allowed("a", "readers")


def test_a_permission_is_told_in_words():
    permission = Permission("post", "things", "x.example", "home", "a")
    assert str(permission) == "post things.x.example a in namespace home"
    assert permission.attributes()["name"] == "a"
    assert "subresource" not in permission.attributes()
