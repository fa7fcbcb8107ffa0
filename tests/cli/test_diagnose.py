"""`diagnose` on a real platform that is broken in one way at a time: it names the object, the field, and a command that mends it."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from harness.cli.command import run
from harness.client.measuring import MeasuringClient
from harness.kube.manifest import Ref
from harness.kube.wait import has_phase, is_gone, wait_for
from harness.outcome import ExitCode
from harness.platforms.detached import hold
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.target import TargetOptions, open_target
from harness.world.oidc import issuer_of
from harness.world.patience import until
from tests.cli.patient import ALICE, BOUND, MAAS, SUBSCRIPTIONS, Patient, model, offer, policy, reference
from tests.command_line import maas


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_HOME_VARIABLE, str(tmp_path_factory.mktemp("state")))
        with open_target(TargetOptions(), lambda line: None) as platform:
            hold()
            yield Patient(platform)


Diagnose = Callable[..., dict[str, Any]]


@pytest.fixture
def diagnose(patient: Patient, capsys: pytest.CaptureFixture[str]) -> Diagnose:
    """Run the command; the last step, with the exit code that has to fit it."""

    def asked(*arguments: str) -> dict[str, Any]:
        code = run(["diagnose", "--json", *patient.options(), *arguments])
        said = capsys.readouterr()
        assert said.err == ""
        document = json.loads(said.out)
        assert document["ok"] == (code == ExitCode.CONFORMANT) == (document["steps"][-1]["state"] != "wrong")
        last: dict[str, Any] = document["steps"][-1]
        return last

    return asked


def _settled(diagnose: Diagnose, *arguments: str, step: str, where: str = "") -> dict[str, Any]:
    """Diagnose until the platform has taken the damage over."""

    def seen(last: dict[str, Any]) -> bool:
        return bool(last["name"] == step and last["state"] == "wrong" and last["object"].startswith(where))

    found, _ = until(lambda: diagnose(*arguments), seen, BOUND)
    assert seen(found), found
    return found


def test_nothing_is_wrong_with_a_healthy_model_and_its_user(patient: Patient, diagnose: Diagnose) -> None:
    patient.healthy("hale")
    created = patient.key("hale")
    last = diagnose("diagnosed/hale", "--key", created["key"])
    assert (last["name"], last["state"]) == ("gateway answers", "ok"), last


def test_every_command_it_gives_leads_to_a_model_that_answers(patient: Patient, diagnose: Diagnose) -> None:
    """From a model behind the wrong gateway, unregistered and ungoverned, by nothing but the commands that are printed."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine")
    patient.apply(model("stray", gateway="openshift-ai-inference"))
    told: list[str] = []

    def mend() -> dict[str, Any]:
        last = diagnose("stray", "--key", patient.token())
        if (
            last["state"] == "wrong"
            and last["mend"].startswith(("kubectl apply", "kubectl patch"))
            and told[-1:] != [last["says"]]
        ):
            told.append(last["says"])
            environment = {**os.environ, "KUBECONFIG": str(patient.platform.kubeconfig)}
            subprocess.run(["bash", "-c", last["mend"]], env=environment, check=True, capture_output=True)
        return last

    last, _ = until(mend, lambda found: found["state"] == "ok", BOUND)
    assert (last["name"], last["state"]) == ("gateway answers", "ok"), last
    assert len(told) >= 4, told


def _replicas(patient: Patient, name: str) -> None:
    patient.apply(model(name, replicas=0))


def _foreign(patient: Patient, name: str) -> None:
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": f"{name}-kserve-route"}
    patient.apply(
        {
            "apiVersion": "kuadrant.io/v1",
            "kind": "AuthPolicy",
            "metadata": {"name": name, "namespace": "llm"},
            "spec": {"targetRef": target, "rules": {}},
        }
    )


def _delete(kind: str, namespace: str) -> Callable[[Patient, str], None]:
    def damage(patient: Patient, name: str) -> None:
        gone = Ref(MAAS, kind, name, namespace)
        patient.cluster.delete(gone)
        wait_for(patient.cluster, is_gone(gone), BOUND)

    return damage


DAMAGE: dict[str, tuple[Callable[[Patient, str], None], str, str, str]] = {
    "scaled-to-none": (_replicas, "model ready", "LLMInferenceService llm/{}", "spec.replicas"),
    "unregistered": (_delete("MaaSModelRef", "llm"), "registered", "MaaSModelRef llm/{}", "spec.modelRef"),
    "unsold": (
        _delete("MaaSSubscription", SUBSCRIPTIONS),
        "governed",
        "MaaSSubscription models-as-a-service/",
        "spec.modelRefs",
    ),
    "closed": (
        _delete("MaaSAuthPolicy", SUBSCRIPTIONS),
        "governed",
        "MaaSAuthPolicy models-as-a-service/",
        "spec.modelRefs",
    ),
    "overruled": (_foreign, "access enforced", "AuthPolicy llm/{}", "spec.targetRef"),
    "shut-out": (
        lambda patient, name: patient.apply(policy(name, user="somebody")),
        "may use it",
        "MaaSAuthPolicy models-as-a-service/{}",
        "spec.subjects",
    ),
    "unpaid": (
        lambda patient, name: patient.apply(offer(name, user="somebody")),
        "subscription",
        "MaaSSubscription models-as-a-service/{}",
        "spec.owner",
    ),
    "misdirected": (
        lambda patient, name: patient.apply(reference(name), reference(f"{name}-2", target="nothing")),
        "model",
        "MaaSModelRef llm/{}-2",
        "spec.modelRef.name",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_the_first_thing_that_is_wrong_is_named_with_object_and_field(
    patient: Patient, diagnose: Diagnose, name: str
) -> None:
    damage, step, where, field = DAMAGE[name]
    patient.healthy(name)
    damage(patient, name)
    asked = f"{name}-2" if name == "misdirected" else name
    found = _settled(diagnose, asked, "--as", ALICE, step=step, where=where.format(name))
    assert found["field"] == field
    assert found["mend"]


def test_a_model_that_crashes_is_traced_to_its_pod(patient: Patient, diagnose: Diagnose) -> None:
    crashing = model("crashing", template={"containers": [{"name": "main", "args": ["--max-model-len", "nonsense"]}]})
    patient.apply(crashing, reference("crashing"), policy("crashing"), offer("crashing"))
    found = _settled(diagnose, "crashing", "--as", ALICE, step="model ready", where="Pod llm/crashing-kserve")
    assert found["field"] == "status.containerStatuses"
    assert found["mend"].startswith("kubectl describe pods crashing-kserve")
    settled, _ = until(
        lambda: diagnose("crashing"), lambda last: "CrashLoopBackOff" in last["says"] or "Error" in last["says"], BOUND
    )
    assert (settled["name"], settled["state"]) == ("model ready", "wrong"), settled
    assert "container main does not run" in settled["says"]


def test_a_model_that_does_not_exist_is_said_with_its_like(diagnose: Diagnose) -> None:
    found = diagnose("facebook-opt-125")
    assert found["name"] == "model"
    assert "similar: facebook-opt-125m-simulated" in found["says"]


def test_another_s_subscription_and_one_without_the_model_are_told_apart(patient: Patient, diagnose: Diagnose) -> None:
    patient.healthy("shared")
    patient.apply(offer("shared", user="somebody", called="theirs"))
    theirs = _settled(diagnose, "shared", "--as", ALICE, "--subscription", "theirs", step="subscription")
    assert theirs["field"] == "spec.owner"
    other = _settled(diagnose, "shared", "--as", ALICE, "--subscription", "distinct-subscription", step="subscription")
    assert other["field"] == "spec.modelRefs"
    absent = diagnose("shared", "--as", ALICE, "--subscription", "none-such")
    assert absent["field"] == "metadata.name"


def test_a_token_with_two_offers_has_to_choose(patient: Patient, diagnose: Diagnose) -> None:
    patient.healthy("doubly")
    patient.apply(offer("doubly", called="doubly-b"))
    wait_for(patient.cluster, has_phase(Ref(MAAS, "MaaSSubscription", "doubly-b", SUBSCRIPTIONS), "Active"), BOUND)
    found = _settled(diagnose, "doubly", "--key", patient.token(), step="subscription")
    assert found["field"] == "header X-MaaS-Subscription"
    chosen = diagnose("doubly", "--key", patient.token(), "--subscription", "doubly-b")
    assert (chosen["name"], chosen["state"]) == ("gateway answers", "ok"), chosen


def test_a_revoked_key_and_nonsense_are_no_credentials(patient: Patient, diagnose: Diagnose) -> None:
    patient.healthy("keyed")
    created = patient.key("keyed")
    headers = {"Authorization": f"Bearer {patient.token()}"}
    patient.http.delete(
        f"{patient.platform.endpoints.management}/v1/api-keys/{created['id']}", headers=headers
    ).raise_for_status()
    found = _settled(diagnose, "keyed", "--key", created["key"], "--status", "403", step="caller")
    assert "unknown, revoked or expired" in found["says"]
    assert diagnose("keyed", "--key", "nonsense", "--status", "401")["name"] == "caller"


def test_a_token_of_the_tenant_s_own_issuer_says_whose_it_is(patient: Patient, diagnose: Diagnose) -> None:
    patient.healthy("issued")
    client = MeasuringClient()
    signed = issuer_of(patient.platform.endpoints, client).sign(
        {"sub": "id-of-carol", "preferred_username": "carol", "groups": ["red-team"]}
    )
    found = _settled(diagnose, "issued", "--key", signed.reveal(), step="may use it")
    assert "names carol or one of their groups" in found["says"]
    patient.apply(policy("issued", user="carol"), offer("issued", user="carol"))
    settled, _ = until(lambda: diagnose("issued", "--key", signed.reveal()), lambda last: last["state"] == "ok", BOUND)
    assert settled["name"] == "gateway answers", settled
    client.close()


def test_a_key_of_somebody_else_is_said_so(patient: Patient, diagnose: Diagnose) -> None:
    patient.healthy("lent")
    found = diagnose("lent", "--key", patient.key("lent")["key"], "--as", "system:serviceaccount:diagnosed:bob")
    assert (found["name"], found["field"]) == ("caller", "username")
    assert f"that of {ALICE}" in found["says"]


def test_a_budget_that_is_used_up_is_seen_at_the_limiter(patient: Patient, diagnose: Diagnose) -> None:
    patient.healthy("spent", limit=1)
    key = patient.key("spent")["key"]
    body = {"model": "diagnosed/spent", "messages": [{"role": "user", "content": "a"}], "max_tokens": 5}

    def ask() -> httpx.Response:
        url = f"{patient.platform.endpoints.gateway}/llm/spent/v1/chat/completions"
        return patient.http.post(url, json=body, headers={"Authorization": f"Bearer {key}"})

    answer, _ = until(ask, lambda found: found.status_code == 429, BOUND)
    assert answer.status_code == 429
    found = _settled(diagnose, "spent", "--key", key, "--status", "429", step="budget")
    assert "of 1 tokens are used; the window ends in" in found["says"]
    assert '"limit":' in found["mend"]


def test_a_controller_that_does_not_reconcile_is_noticed_by_the_generation(
    patient: Patient, diagnose: Diagnose
) -> None:
    patient.healthy("frozen")
    controller = patient.platform.processes["maas-controller"].pid
    os.kill(controller, signal.SIGSTOP)
    try:
        patient.apply(offer("frozen", limit=2000))
        found = diagnose("frozen", "--as", ALICE)
    finally:
        os.kill(controller, signal.SIGCONT)
    assert found["name"] == "subscription", found
    assert "has not reconciled it: its status speaks of generation 1, the object is at 2" in found["says"]


MODELS = {"maas.opendatahub.io": ["maasmodelrefs"], "serving.kserve.io": ["llminferenceservices"]}
GOVERNANCE = {
    "maas.opendatahub.io": ["maassubscriptions", "maasauthpolicies"],
    "gateway.networking.k8s.io": ["gateways", "httproutes"],
    "kuadrant.io": ["tokenratelimitpolicies"],
}


def _restricted(patient: Patient, folder: Path, name: str, *granted: dict[str, list[str]]) -> Path:
    """A kubeconfig of somebody who may list these resources and nothing else."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "diagnosed"}}
    rules = [
        {"apiGroups": [group], "resources": plurals, "verbs": ["get", "list"]}
        for grant in granted
        for group, plurals in grant.items()
    ]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "diagnosed"}],
    }
    patient.apply(account, role, binding)
    assert patient.platform.kubeconfig is not None
    document = yaml.safe_load(patient.platform.kubeconfig.read_text(encoding="utf-8"))
    document["users"][0]["user"] = {"token": patient.token(name)}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_what_this_identity_may_not_see_is_unknown_and_not_wrong(
    patient: Patient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patient.healthy("half-seen")
    path = _restricted(patient, tmp_path, "half", MODELS, GOVERNANCE)
    assert run(["diagnose", "half-seen", "--as", ALICE, "--kubeconfig", str(path), "--json"]) == ExitCode.CONFORMANT
    states = {step["name"]: step["state"] for step in json.loads(capsys.readouterr().out)["steps"]}
    assert (states["access enforced"], states["budget"]) == ("unknown", "unknown")
    assert (states["published"], states["subscription"]) == ("ok", "ok")


def test_somebody_who_may_see_no_model_is_told_so(
    patient: Patient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _restricted(patient, tmp_path, "blind", GOVERNANCE)
    assert run(["diagnose", "half-seen", "--kubeconfig", str(path)]) == ExitCode.ENVIRONMENT
    assert "may not list MaaSModelRef of maas.opendatahub.io/v1alpha1" in capsys.readouterr().err


def test_without_a_kubeconfig_the_platform_that_runs_here_is_looked_at(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert run(["diagnose", "facebook-opt-125m-simulated", "--key", patient.token()]) == ExitCode.CONFORMANT
    said = capsys.readouterr().out
    assert said.startswith(f"looking at {patient.cluster.host}\n")
    assert "caller: system:serviceaccount:diagnosed:alice" in said
    assert patient.token() not in said


def test_a_kubeconfig_that_is_named_wins_over_the_platform_that_runs_here(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/else")
    assert run(["diagnose", "facebook-opt-125m-simulated"]) == ExitCode.USAGE
    assert "cannot read the kubeconfig /nowhere/else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no platform to look at"),
        (("--kubeconfig", "/nowhere"), "cannot read the kubeconfig /nowhere"),
        (("--key", "@/nowhere"), "cannot read the key from /nowhere"),
        (("--key", " "), "--key is empty"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = maas("diagnose", "x", *arguments, cwd=tmp_path, **{STATE_HOME_VARIABLE: str(tmp_path)})
    assert done.returncode == ExitCode.USAGE
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
