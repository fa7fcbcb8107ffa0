"""The embedded Kubernetes API gives each object of the corpus the verdict that a real API server gave it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubeapi.corpus.verdicts import CRDS, RECORD, Case, Judge, cases, digest

CASES = list(cases())
RECORDED: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    folder = tmp_path_factory.mktemp("kubeapi")
    ready = folder / "ready.json"
    command = [
        sys.executable,
        "-m",
        "harness.simulator.kubeapi",
        "--dir",
        str(folder),
        "--crds",
        str(CRDS),
        "--ready-file",
        str(ready),
    ]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert process.poll() is None, "the API server ended before it was ready"
            assert time.monotonic() < deadline, "the API server was not ready within 20 s"
            time.sleep(0.02)
        server = Judge(folder / "admin.kubeconfig")
        for namespace in sorted({case.object["metadata"].get("namespace", "default") for case in CASES} | {"llm"}):
            server.ensure_namespace(namespace)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_the_recording_belongs_to_these_crds() -> None:
    assert RECORDED["crds"] == digest(), "a CRD has changed: record the verdicts again (tests/kubeapi/oracle/README.md)"


@pytest.mark.parametrize("case", CASES, ids=[f"{case.row}-{case.id}" for case in CASES])
def test_verdict_is_a_real_servers(judge: Judge, case: Case) -> None:
    assert judge.verdict(case) == RECORDED["verdicts"][case.id]
