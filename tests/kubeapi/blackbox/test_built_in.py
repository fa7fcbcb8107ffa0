"""Built-in kinds: defaults, validation and the little logic that clients lean on."""

import base64

import pytest

from tests.kubeapi.blackbox.api import Collection, causes, names
from tests.kubeapi.serving import eventually


@pytest.fixture
def secrets(whole, namespace):
    return Collection(whole, f"/api/v1/namespaces/{namespace}/secrets")


@pytest.fixture
def services(whole, namespace):
    return Collection(whole, f"/api/v1/namespaces/{namespace}/services")


def of(kind, name="x", version="v1", **rest):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}


def test_namespace_is_active_and_labelled(whole, namespace):
    body = whole.get(f"/api/v1/namespaces/{namespace}").json()
    assert body["status"]["phase"] == "Active"
    assert body["metadata"]["labels"]["kubernetes.io/metadata.name"] == namespace
    assert body["spec"]["finalizers"] == ["kubernetes"]


def test_object_in_a_namespace_that_is_not_there_is_404(whole):
    answer = whole.post("/api/v1/namespaces/no-such-place/configmaps", json=of("ConfigMap"))
    assert answer.status_code == 404
    assert answer.json()["message"] == 'namespaces "no-such-place" not found'


def test_standard_namespaces_are_there(whole):
    assert {"default", "kube-system", "kube-public"} <= set(names(whole.get("/api/v1/namespaces")))


def test_secret_turns_text_into_data(secrets):
    made = secrets.create(of("Secret", stringData={"a": "b"})).json()
    assert made["data"] == {"a": base64.b64encode(b"b").decode()}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


def test_secret_with_bad_base64_is_400(secrets):
    assert secrets.create(of("Secret", data={"a": "%%"})).status_code == 400


def test_immutable_configmap_cannot_change(configmaps):
    configmaps.create(of("ConfigMap", data={"a": "b"}, immutable=True))
    answer = configmaps.patch("x", {"data": {"a": "c"}})
    assert answer.status_code == 422
    assert ("data", "FieldValueForbidden") in causes(answer)


def test_configmap_key_must_be_valid(configmaps):
    assert configmaps.create(of("ConfigMap", data={"a b": "c"})).status_code == 422


def test_configmap_value_must_be_text(configmaps):
    assert configmaps.create(of("ConfigMap", data={"a": 1})).status_code == 400


def test_service_gets_its_defaults(services):
    made = services.create(of("Service", spec={"selector": {"a": "b"}, "ports": [{"port": 80}]})).json()["spec"]
    assert (made["type"], made["sessionAffinity"]) == ("ClusterIP", "None")
    assert made["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert made["clusterIP"] == made["clusterIPs"][0]


def test_service_port_out_of_range_is_422(services):
    answer = services.create(of("Service", spec={"ports": [{"port": 70000}]}))
    assert ("spec.ports[0].port", "FieldValueInvalid") in causes(answer)


def test_service_without_ports_is_422(services):
    assert ("spec.ports", "FieldValueRequired") in causes(services.create(of("Service", spec={})))


def test_deployment_needs_a_selector_that_matches(whole, namespace):
    deployments = Collection(whole, f"/apis/apps/v1/namespaces/{namespace}/deployments")
    template = {"metadata": {"labels": {"a": "other"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = of("Deployment", version="apps/v1", spec={"selector": {"matchLabels": {"a": "b"}}, "template": template})
    answer = deployments.create(body)
    assert answer.status_code == 422
    assert ("spec.template.metadata.labels", "FieldValueInvalid") in causes(answer)


def test_deployment_gets_its_defaults_and_scales(whole, namespace):
    deployments = Collection(whole, f"/apis/apps/v1/namespaces/{namespace}/deployments")
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "registry.example/none:1"}]},
    }
    body = of(
        "Deployment",
        version="apps/v1",
        spec={"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    )
    made = deployments.create(body).json()["spec"]
    assert made["strategy"]["type"] == "RollingUpdate"
    assert made["progressDeadlineSeconds"] == 600
    assert deployments.get("x", "scale").json()["spec"].get("replicas", 0) == 0


def test_deployment_selector_is_immutable(whole, namespace):
    deployments = Collection(whole, f"/apis/apps/v1/namespaces/{namespace}/deployments")
    template = {
        "metadata": {"labels": {"a": "b", "c": "d"}},
        "spec": {"containers": [{"name": "c", "image": "registry.example/none:1"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    deployments.create(of("Deployment", version="apps/v1", spec=spec)).raise_for_status()
    answer = deployments.patch("x", {"spec": {"selector": {"matchLabels": {"c": "d"}}}})
    assert answer.status_code == 422
    assert ("spec.selector", "FieldValueInvalid") in causes(answer)


def test_pod_without_containers_is_422(whole, namespace):
    answer = whole.post(f"/api/v1/namespaces/{namespace}/pods", json=of("Pod", spec={"containers": []}))
    assert ("spec.containers", "FieldValueRequired") in causes(answer)


def test_event_is_stored(whole, namespace):
    event = of(
        "Event",
        involvedObject={"kind": "Pod", "name": "p", "namespace": namespace},
        reason="Tested",
        message="m",
        type="Normal",
    )
    assert whole.post(f"/api/v1/namespaces/{namespace}/events", json=event).status_code == 201
    found = whole.get(f"/api/v1/namespaces/{namespace}/events", params={"fieldSelector": "involvedObject.name=p"})
    assert names(found) == ["x"]


def test_lease_is_held_by_one(whole, namespace):
    leases = Collection(whole, f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    made = leases.create(of("Lease", version="coordination.k8s.io/v1", spec={"holderIdentity": "one"})).json()
    made["spec"]["holderIdentity"] = "two"
    assert leases.replace(made).status_code == 200
    made["spec"]["holderIdentity"] = "three"
    assert leases.replace(made).status_code == 409


def test_built_in_unknown_field_is_400_when_strict(configmaps):
    answer = configmaps.create(of("ConfigMap", dada={"a": "b"}), fieldValidation="Strict")
    assert answer.status_code == 400
    assert 'unknown field "dada"' in answer.json()["message"]


def test_built_in_wrong_type_is_400(services):
    assert services.create(of("Service", spec={"ports": "80"})).status_code == 400


def test_built_in_replace_without_a_version_is_unconditional(configmaps):
    configmaps.create(of("ConfigMap", data={"a": "b"}))
    assert configmaps.replace(of("ConfigMap", data={"a": "c"})).json()["data"] == {"a": "c"}


def test_server_side_apply_of_a_built_in(configmaps):
    configmaps.apply(of("ConfigMap", data={"a": "1"}), "one")
    both = configmaps.apply(of("ConfigMap", data={"b": "2"}), "two").json()
    assert both["data"] == {"a": "1", "b": "2"}
    assert configmaps.apply(of("ConfigMap", data={"a": "3"}), "two").status_code == 409


@pytest.mark.parametrize(("kind", "address"), [("IPv4", "127.0.0.1"), ("IPv6", "::1")])
def test_an_endpoint_is_no_loopback_address(whole, namespace, kind, address):
    slices = Collection(whole, f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
    body = of("EndpointSlice", version="discovery.k8s.io/v1", addressType=kind, endpoints=[{"addresses": [address]}])
    answer = slices.create(body)
    assert ("endpoints[0].addresses[0]", "FieldValueInvalid") in causes(answer)
    assert "may not be in the loopback range (127.0.0.0/8, ::1/128)" in answer.json()["message"]


def test_cronjob_gets_its_defaults(whole, namespace):
    crons = Collection(whole, f"/apis/batch/v1/namespaces/{namespace}/cronjobs")
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "registry.example/none:1"}]}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}
    made = crons.create(of("CronJob", version="batch/v1", spec=spec)).json()["spec"]
    assert (made["concurrencyPolicy"], made["suspend"]) == ("Allow", False)
    assert (made["successfulJobsHistoryLimit"], made["failedJobsHistoryLimit"]) == (3, 1)
    template = made["jobTemplate"]
    assert template["metadata"] == {}
    assert "backoffLimit" not in template["spec"]
    assert template["spec"]["template"]["metadata"] == {}
    assert template["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


def test_webhook_that_cannot_be_reached_fails_closed(whole, widgets, widget, namespace):
    webhooks = Collection(whole, "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations")
    hook = {
        "name": "hook.blackbox.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/validate"},
        "rules": [
            {
                "apiGroups": ["blackbox.example.com"],
                "apiVersions": ["v1"],
                "resources": ["widgets"],
                "operations": ["CREATE"],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
        "failurePolicy": "Fail",
    }
    body = of("ValidatingWebhookConfiguration", namespace, "admissionregistration.k8s.io/v1", webhooks=[hook])
    webhooks.create(body).raise_for_status()
    try:
        eventually(lambda: widgets.create(widget("a"), dryRun="All").status_code == 500, "the hook is in force", 30)
        answer = widgets.create(widget("a"))
        assert answer.json()["reason"] == "InternalError"
        assert 'failed calling webhook "hook.blackbox.example.com"' in answer.json()["message"]
    finally:
        webhooks.delete(namespace)
    eventually(lambda: widgets.create(widget("b")).status_code == 201, "creation is free again", 30)
