"""kubectl as people use it: imperative commands (protobuf bodies), apply in both ways, every output, waits, rights and explanations."""

import json
import shutil
import subprocess
import threading

import pytest
import yaml

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")


@pytest.fixture
def kubectl(kubeconfig, namespace, tmp_path):
    """Run kubectl in the test's namespace and return what it printed; a refusal raises with kubectl's own words."""

    def run(*arguments, stdin=None, fails=False, **environment):
        command = [
            "kubectl",
            "--kubeconfig",
            str(kubeconfig),
            "--namespace",
            namespace,
            "--cache-dir",
            str(tmp_path / "cache"),
            *arguments,
        ]
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), **environment}
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=60, env=variables, check=False
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture
def applied(kubectl, model):
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(model))
    return model


@pytest.mark.parametrize(
    ("words", "resource"),
    [
        (("create", "configmap", "x", "--from-literal=a=b"), "configmap/x"),
        (("create", "secret", "generic", "x", "--from-literal=a=b"), "secret/x"),
        (("create", "serviceaccount", "x"), "serviceaccount/x"),
        (("create", "role", "x", "--verb=get", "--resource=pods"), "role.rbac.authorization.k8s.io/x"),
        (("create", "rolebinding", "x", "--role=x", "--user=u"), "rolebinding.rbac.authorization.k8s.io/x"),
        (("create", "deployment", "x", "--image=registry.example/none:1", "--replicas=0"), "deployment.apps/x"),
        (("create", "job", "x", "--image=registry.example/none:1"), "job.batch/x"),
        (("create", "service", "clusterip", "x", "--tcp=80:80"), "service/x"),
        (("create", "quota", "x", "--hard=pods=1"), "resourcequota/x"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_imperative_create(kubectl, words, resource):
    assert "created" in kubectl(*words)
    assert kubectl("get", resource, "-o", "name").strip() == resource


def test_create_namespace(kubectl, namespace):
    assert kubectl("create", "namespace", f"{namespace}-two").strip() == f"namespace/{namespace}-two created"
    assert "deleted" in kubectl("delete", "namespace", f"{namespace}-two", "--wait=false")


def test_apply_creates_then_leaves_alone_then_changes(kubectl, model):
    text = yaml.safe_dump(model)
    assert kubectl("apply", "-f", "-", stdin=text).strip().endswith("created")
    assert kubectl("apply", "-f", "-", stdin=text).strip().endswith("unchanged")
    model["spec"]["modelRef"]["name"] = "other"
    assert kubectl("apply", "-f", "-", stdin=yaml.safe_dump(model)).strip().endswith("configured")


def test_server_side_apply_and_its_conflict(kubectl, model):
    assert (
        kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(model)).strip().endswith("serverside-applied")
    )
    model["spec"]["modelRef"]["name"] = "other"
    refused = kubectl(
        "apply", "--server-side", "--field-manager=two", "-f", "-", stdin=yaml.safe_dump(model), fails=True
    )
    assert "conflict with" in refused
    assert ".spec.modelRef.name" in refused
    kubectl(
        "apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(model)
    )


def test_apply_prunes_a_field_that_is_no_longer_named(kubectl, model):
    model["spec"]["endpointOverride"] = "https://x.example"
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(model))
    del model["spec"]["endpointOverride"]
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(model))
    assert "endpointOverride" not in json.loads(kubectl("get", "maasmodelref", "granite", "-o", "json"))["spec"]


def test_apply_of_a_built_in_kind_three_ways(kubectl):
    kubectl("create", "configmap", "c", "--from-literal=kept=1", "--save-config")
    kubectl("patch", "configmap", "c", "-p", '{"data":{"others":"2"}}')
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"new": "3"}}
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))
    assert json.loads(kubectl("get", "configmap", "c", "-o", "json"))["data"] == {"new": "3", "others": "2"}


def test_unknown_field_is_refused_before_it_is_sent(kubectl, model):
    model["spec"]["nonsense"] = 1
    assert 'unknown field "spec.nonsense"' in kubectl("apply", "-f", "-", stdin=yaml.safe_dump(model), fails=True)


def test_invalid_object_is_refused_in_the_server_s_words(kubectl, model):
    model["spec"]["modelRef"]["kind"] = "InferenceService"
    refused = kubectl("apply", "-f", "-", stdin=yaml.safe_dump(model), fails=True)
    assert 'supported values: "LLMInferenceService", "ExternalModel"' in refused


def test_get_prints_the_printer_columns(kubectl, applied):
    header, row = kubectl("get", "maasmodelref").splitlines()
    assert header.split() == ["NAME", "PHASE", "ENDPOINT", "HTTPROUTE", "GATEWAY", "AGE"]
    assert row.split()[0] == "granite"


@pytest.mark.parametrize(
    "output",
    [
        "wide",
        "yaml",
        "json",
        "name",
        "jsonpath={.items[0].metadata.name}",
        "custom-columns=N:.metadata.name",
        "go-template={{len .items}}",
    ],
)
def test_get_in_every_output(kubectl, applied, output):
    assert kubectl("get", "maasmodelrefs", "-o", output).strip()


def test_get_by_label_field_and_sort(kubectl, applied):
    assert (
        kubectl("get", "maasmodelref", "-l", "team=red", "-o", "name").strip()
        == "maasmodelref.maas.opendatahub.io/granite"
    )
    assert kubectl("get", "maasmodelref", "-l", "team=blue", "-o", "name") == ""
    assert kubectl("get", "maasmodelref", "--field-selector", "metadata.name=granite", "-o", "name")
    assert kubectl("get", "maasmodelref", "--sort-by=.metadata.name", "-o", "name")


def test_get_all_namespaces_of_several_kinds(kubectl, applied):
    assert "maasmodelref.maas.opendatahub.io/granite" in kubectl("get", "llminferenceservice,maasmodelref", "-A")


def test_get_of_nothing_says_so(kubectl):
    assert kubectl("get", "maasmodelref", "ghost", fails=True) == (
        'Error from server (NotFound): maasmodelrefs.maas.opendatahub.io "ghost" not found\n'
    )


def test_describe(kubectl, applied):
    text = kubectl("describe", "maasmodelref", "granite")
    assert "Name:         granite" in text
    assert "Model Ref:" in text


def test_describe_of_a_built_in(kubectl):
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    assert "a:\n----\nb" in kubectl("describe", "configmap", "c")


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", '{"spec":{"modelRef":{"name":"other"}}}'),
        ("json", '[{"op":"replace","path":"/spec/modelRef/name","value":"other"}]'),
    ],
)
def test_patch_of_a_custom_resource(kubectl, applied, kind, patch):
    assert kubectl("patch", "maasmodelref", "granite", "--type", kind, "-p", patch).strip().endswith("patched")
    assert kubectl("get", "maasmodelref", "granite", "-o", "jsonpath={.spec.modelRef.name}") == "other"


def test_patch_of_a_status(kubectl, applied):
    kubectl(
        "patch", "maasmodelref", "granite", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Ready"}}'
    )
    assert kubectl("get", "maasmodelref", "granite", "-o", "jsonpath={.status.phase}") == "Ready"


def test_edit(kubectl, applied, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text(
        '#!/bin/sh\nsed -i "s/name: granite$/name: granite/; s/kind: LLMInferenceService/kind: ExternalModel/" "$1"\n'
    )
    editor.chmod(0o755)
    assert kubectl("edit", "maasmodelref", "granite", KUBE_EDITOR=str(editor)).strip().endswith("edited")
    assert kubectl("get", "maasmodelref", "granite", "-o", "jsonpath={.spec.modelRef.kind}") == "ExternalModel"


def test_label_and_annotate(kubectl, applied):
    kubectl("label", "maasmodelref", "granite", "team=blue", "--overwrite")
    kubectl("annotate", "maasmodelref", "granite", "openshift.io/display-name=Granite")
    kubectl("label", "maasmodelref", "granite", "team-")
    body = json.loads(kubectl("get", "maasmodelref", "granite", "-o", "json"))["metadata"]
    assert body["annotations"]["openshift.io/display-name"] == "Granite"
    assert "team" not in body.get("labels", {})


def test_replace(kubectl, applied):
    body = yaml.safe_load(kubectl("get", "maasmodelref", "granite", "-o", "yaml"))
    body["spec"]["modelRef"]["name"] = "other"
    assert kubectl("replace", "-f", "-", stdin=yaml.safe_dump(body)).strip().endswith("replaced")


def test_diff(kubectl, applied):
    applied["spec"]["modelRef"]["name"] = "other"
    command = kubectl("apply", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=yaml.safe_dump(applied))
    assert yaml.safe_load(command)["spec"]["modelRef"]["name"] == "other"
    assert kubectl("get", "maasmodelref", "granite", "-o", "jsonpath={.spec.modelRef.name}") == "granite"


def test_delete_waits_until_gone(kubectl, applied):
    assert "deleted" in kubectl("delete", "maasmodelref", "granite")
    kubectl("get", "maasmodelref", "granite", fails=True)


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_delete_with_cascade(kubectl, cascade):
    kubectl("create", "deployment", "d", "--image=registry.example/none:1", "--replicas=0")
    assert "deleted" in kubectl("delete", "deployment", "d", f"--cascade={cascade}")


def test_delete_by_label(kubectl, applied):
    assert "granite" in kubectl("delete", "maasmodelref", "-l", "team=red")


def test_wait_for_a_condition(kubectl, applied):
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Reconciled",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    patch = json.dumps({"status": {"conditions": [condition]}})
    later = threading.Thread(
        target=kubectl,
        args=("patch", "maasmodelref", "granite", "--subresource=status", "--type=merge", "-p", patch),
        daemon=True,
    )
    later.start()
    assert "condition met" in kubectl("wait", "--for=condition=Ready", "maasmodelref/granite", "--timeout=20s")
    later.join()


def test_wait_for_a_value_and_for_deletion(kubectl, applied):
    assert "condition met" in kubectl(
        "wait", "--for=jsonpath={.spec.modelRef.name}=granite", "maasmodelref/granite", "--timeout=10s"
    )
    kubectl("delete", "maasmodelref", "granite", "--wait=false")
    kubectl("wait", "--for=delete", "maasmodelref/granite", "--timeout=10s")


def test_create_token_and_use_it(kubectl):
    kubectl("create", "serviceaccount", "alice")
    token = kubectl("create", "token", "alice", "--duration=10m", "--audience=gateway").strip()
    assert token.count(".") == 2


def test_auth_can_i(kubectl, namespace):
    assert kubectl("auth", "can-i", "create", "maasmodelrefs").strip() == "yes"
    refused = ("auth", "can-i", "create", "pods", "--as", f"system:serviceaccount:{namespace}:nobody")
    kubectl(*refused, fails=True)


def test_auth_whoami(kubectl):
    assert "system:masters" in kubectl("auth", "whoami")


def test_api_resources(kubectl):
    text = kubectl("api-resources", "--api-group=maas.opendatahub.io")
    assert "maassubscriptions" in text
    assert "MaaSSubscription" in text


def test_api_versions(kubectl):
    assert "maas.opendatahub.io/v1alpha1" in kubectl("api-versions").splitlines()


def test_explain(kubectl):
    text = kubectl("explain", "maassubscription.spec.modelRefs.tokenRateLimits")
    assert "GROUP:      maas.opendatahub.io" in text
    assert "window" in text
    assert "-required-" in text


def test_explain_of_a_built_in(kubectl):
    assert "replicas" in kubectl("explain", "deployment.spec")


def test_scale_and_rollout_status(kubectl):
    kubectl("create", "deployment", "d", "--image=registry.example/none:1", "--replicas=0")
    assert "scaled" in kubectl("scale", "deployment", "d", "--replicas=0")


def test_events(kubectl):
    assert kubectl("get", "events") == ""


def test_version(kubectl):
    assert "Server Version: v1." in kubectl("version")


def test_kustomize_output(kubectl, model, tmp_path):
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(model))
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["model.yaml"], "namePrefix": "k-"}))
    kubectl("apply", "-k", str(tmp_path))
    assert kubectl("get", "maasmodelref", "k-granite", "-o", "name").strip()


def test_watch_prints_changes(kubectl, kubeconfig, namespace, applied, tmp_path):
    command = [
        "kubectl",
        "--kubeconfig",
        str(kubeconfig),
        "-n",
        namespace,
        "get",
        "maasmodelref",
        "-w",
        "-o",
        "name",
        "--request-timeout=3s",
    ]
    watching = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    )
    try:
        assert watching.stdout.readline().strip() == "maasmodelref.maas.opendatahub.io/granite"
        kubectl("label", "maasmodelref", "granite", "team=green", "--overwrite")
        assert watching.stdout.readline().strip() == "maasmodelref.maas.opendatahub.io/granite"
    finally:
        watching.kill()
        watching.wait()
