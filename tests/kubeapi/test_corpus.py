"""The embedded Kubernetes API gives each object of the corpus the verdict that a real API server gave it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubeapi.corpus.verdicts import CRDS, RECORD, Case, Judge, cases, digest
from tests.kubeapi.serving import embedded_api

CASES = list(cases())
RECORDED: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with embedded_api(tmp_path_factory.mktemp("kubeapi"), "--crds", str(CRDS)) as kubeconfig:
        server = Judge(kubeconfig)
        for namespace in sorted({case.object["metadata"].get("namespace", "default") for case in CASES} | {"llm"}):
            server.ensure_namespace(namespace)
        yield server


def test_the_recording_belongs_to_these_crds() -> None:
    assert RECORDED["crds"] == digest(), "a CRD has changed: record the verdicts again (tests/kubeapi/oracle/README.md)"


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.row}-{case.id}", marks=pytest.mark.row(case.row)) for case in CASES]
)
def test_verdict_is_a_real_servers(judge: Judge, case: Case) -> None:
    assert judge.verdict(case) == RECORDED["verdicts"][case.id]
