"""What a Kubernetes API server says to each object of the corpus, recorded from a real one and asked of ours.

`python -m tests.kubeapi.corpus.verdicts KUBECONFIG` records verdicts.json from any server that can be given the project's CRDs; a real
apiextensions-apiserver over etcd is the judge (tests/kubeapi/oracle builds one with nothing but Go). Where ours differs, ours is wrong.
"""

import copy
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.kubeapi.connection import connect

HERE = Path(__file__).parent
CRDS = HERE.parents[2] / "fixtures" / "crds" / "maas"
RECORD = HERE / "verdicts.json"
PLURALS = {
    "MaaSModelRef": "maasmodelrefs",
    "MaaSAuthPolicy": "maasauthpolicies",
    "MaaSSubscription": "maassubscriptions",
    "ExternalModel": "externalmodels",
    "ExternalProvider": "externalproviders",
    "AITenant": "aitenants",
    "MaasTenantConfig": "maastenantconfigs",
    "Tenant": "tenants",
    "Config": "configs",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One object and how it is offered."""

    id: str
    row: str
    object: dict[str, Any]
    status: dict[str, Any] | None
    columns: bool
    validation: str
    url_namespace: str | None
    url_kind: str | None
    url_version: str | None

    @property
    def collection(self) -> str:
        """The path that the object is posted to, which may disagree with its body on purpose."""
        group, version = self.object["apiVersion"].split("/")
        namespace = self.url_namespace or self.object["metadata"].get("namespace")
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"/apis/{group}/{self.url_version or version}{scope}/{PLURALS[self.url_kind or self.object['kind']]}"


def cases() -> Iterator[Case]:
    """Every case of objects.yaml, as a whole object."""
    document = yaml.safe_load((HERE / "objects.yaml").read_text(encoding="utf-8"))
    for entry in document["cases"]:
        value = copy.deepcopy(document["bases"][entry["base"]])
        value["metadata"].setdefault("name", "case")
        for path in entry.get("unset", ()):
            parent, key = _parent(value, path)
            del parent[key]
        edits = dict(entry.get("set", {}))
        edits |= {path: text * times for path, (text, times) in entry.get("repeat", {}).items()}
        for path, new in edits.items():
            parent, key = _parent(value, path)
            parent[key] = new
        for path, times in entry.get("copies", {}).items():
            parent, key = _parent(value, path)
            parent[key] = [copy.deepcopy(parent[key][0]) for _ in range(times)]
        yield Case(
            id=entry["id"],
            row=entry["row"],
            object=value,
            status=entry.get("status"),
            columns=bool(entry.get("columns")),
            validation=entry.get("validation", "Warn"),
            url_namespace=entry.get("url-namespace"),
            url_kind=entry.get("url-kind"),
            url_version=entry.get("url-version"),
        )


def _parent(value: Any, path: str) -> tuple[Any, Any]:
    """The container and key of a dotted path; a number is an index into a list."""
    *way, last = path.split(".")
    for part in way:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value, int(last) if isinstance(value, list) else last


class Judge:
    """A server that is asked for verdicts."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = connect(kubeconfig)

    def give_crds(self) -> None:
        """Apply the project's CRDs and wait until each is established."""
        base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for file in sorted(CRDS.glob("*.yaml")):
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                name = document["metadata"]["name"]
                answer = self._client.patch(
                    f"{base}/{name}",
                    params={"fieldManager": "corpus", "force": "true", "fieldValidation": "Strict"},
                    content=json.dumps(document),
                    headers={"Content-Type": "application/apply-patch+yaml"},
                )
                answer.raise_for_status()
                self._established(f"{base}/{name}")

    def ensure_namespace(self, name: str) -> None:
        """Make a namespace unless it is there."""
        answer = self._client.post(
            "/api/v1/namespaces", json={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )
        if answer.status_code not in {httpx.codes.CREATED, httpx.codes.CONFLICT}:
            answer.raise_for_status()

    def _established(self, path: str) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            conditions = self._client.get(path).json().get("status", {}).get("conditions", [])
            if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
                return
            time.sleep(0.05)
        raise TimeoutError(f"{path} was not established within 10 s")

    def verdict(self, case: Case) -> dict[str, Any]:
        """Offer one object, look at what became of it, remove it again."""
        answer = self._client.post(case.collection, params={"fieldValidation": case.validation}, json=case.object)
        made = f"{case.collection}/{case.object['metadata']['name']}"
        try:
            if answer.status_code == httpx.codes.CREATED and case.status is not None:
                whole = answer.json() | {"status": case.status}
                answer = self._client.put(f"{made}/status", json=whole)
            result = _summary(answer)
            if case.columns:
                table = self._client.get(
                    made, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
                ).json()
                result["columns"] = [[one["name"], one["type"], one["priority"]] for one in table["columnDefinitions"]]
            return result
        finally:
            self._client.patch(
                made, json={"metadata": {"finalizers": None}}, headers={"Content-Type": "application/merge-patch+json"}
            )
            self._client.delete(made)


def _summary(answer: httpx.Response) -> dict[str, Any]:
    """The parts of an answer that a client can rely on; messages included, for people read them."""
    body = answer.json()
    result: dict[str, Any] = {"code": answer.status_code}
    warnings = [value for key, value in answer.headers.multi_items() if key == "warning"]
    if warnings:
        result["warnings"] = sorted(warnings)
    if body["kind"] == "Status":
        result["reason"] = body.get("reason")
        causes = body.get("details", {}).get("causes")
        if causes:
            result["causes"] = sorted([one.get("field"), one.get("reason"), one.get("message")] for one in causes)
        else:
            result["message"] = body.get("message")
    else:
        result["stored"] = {key: body[key] for key in ("spec", "status") if key in body}
    return result


def digest() -> str:
    """Names the CRDs that the verdicts belong to: a changed schema wants a new recording."""
    lines = [
        json.dumps(list(yaml.safe_load_all(file.read_text(encoding="utf-8"))), sort_keys=True)
        for file in sorted(CRDS.glob("*.yaml"))
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def main() -> None:
    """Record the verdicts of the server behind a kubeconfig."""
    judge = Judge(Path(sys.argv[1]))
    judge.give_crds()
    verdicts = {case.id: judge.verdict(case) for case in cases()}
    RECORD.write_text(
        json.dumps({"crds": digest(), "verdicts": verdicts}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
