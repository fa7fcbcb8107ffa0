"""A state folder: nothing that was acknowledged is lost, whatever ends the process."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from harness.simulator.kubeapi.persistence import REVISION_GAP, Archive, StateError
from tests.kubeapi.connection import connect
from tests.kubeapi.in_process import InProcess
from tests.kubeapi.serving import eventually

MAPS = "/api/v1/namespaces/default/configmaps"


def start(folder: Path, state: Path, *options: str) -> subprocess.Popen[bytes]:
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "harness.simulator.kubeapi",
        "--dir",
        str(folder),
        "--state",
        str(state),
        "--ready-file",
        str(ready),
        *options,
    ]
    process = subprocess.Popen(command)
    eventually(ready.exists, "the server is ready", alive=lambda: process.poll() is None)
    return process


@pytest.mark.parametrize("survives", ["machine", "process"])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, survives: str) -> None:
    process = start(tmp_path, tmp_path / "state", "--state-survives", survives)
    acknowledged: dict[str, str] = {}
    try:
        with connect(tmp_path / "admin.kubeconfig") as client:
            token = client.post("/api/v1/namespaces/default/serviceaccounts/default/token", json={}).json()["status"][
                "token"
            ]
            for number in range(60):
                made = client.post(MAPS, json={"metadata": {"name": f"n{number}"}, "data": {"n": str(number)}}).json()
                acknowledged[made["metadata"]["name"]] = made["metadata"]["uid"]
            for number in range(0, 60, 3):
                client.delete(f"{MAPS}/n{number}").raise_for_status()
                del acknowledged[f"n{number}"]
            last = int(client.get(MAPS).json()["metadata"]["resourceVersion"])
            authority = (tmp_path / "ca.crt").read_bytes()
        process.kill()
        process.wait(60)
        process = start(tmp_path, tmp_path / "state")
        with connect(tmp_path / "admin.kubeconfig") as client:
            listed = client.get(MAPS, params={"fieldSelector": "metadata.name!=kube-root-ca.crt"}).json()
            whoami = client.post(
                "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                json={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
                headers={"Authorization": f"Bearer {token}"},
            ).json()
    finally:
        process.kill()
        process.wait(60)
    assert {item["metadata"]["name"]: item["metadata"]["uid"] for item in listed["items"]} == acknowledged
    assert int(listed["metadata"]["resourceVersion"]) >= last
    assert (tmp_path / "ca.crt").read_bytes() == authority
    assert whoami["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"


def test_a_state_folder_belongs_to_one_server(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.keep("x", b"y")
    with pytest.raises(StateError, match=r"cannot be used: database is locked; stop the server that uses it"):
        Archive(tmp_path)
    archive.close()


def test_a_file_that_is_no_database_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "objects.sqlite").write_text("this is not a database, it only looks like a file" * 100)
    with pytest.raises(StateError, match="file is not a database"):
        Archive(tmp_path)


def test_revisions_go_on_above_everything_that_was_seen(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    server = InProcess(archive)
    before = int(server.do("POST", MAPS, {"metadata": {"name": "a"}}).body["metadata"]["resourceVersion"])
    archive.close()
    again = Archive(tmp_path)
    restarted = InProcess(again)
    after = int(restarted.do("POST", MAPS, {"metadata": {"name": "b"}}).body["metadata"]["resourceVersion"])
    stale = restarted.do("GET", MAPS, query=f"watch=1&resourceVersion={before}&timeoutSeconds=1")
    again.close()
    assert after > before + REVISION_GAP - 1
    assert b'"code":410' in stale.raw


def test_the_revision_of_a_removal_is_not_handed_out_again(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    server = InProcess(archive)
    server.do("POST", MAPS, {"metadata": {"name": "a"}})
    server.do("DELETE", f"{MAPS}/a")
    removed = server.cluster.store.revision
    archive.close()
    again = Archive(tmp_path)
    assert again.revision() == removed + REVISION_GAP
    again.close()


def test_definitions_are_served_again_after_a_restart(tmp_path: Path) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    archive = Archive(tmp_path)
    assert InProcess(archive).do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).code == 201
    archive.close()
    again = Archive(tmp_path)
    assert InProcess(again).do("GET", "/apis/example.com/v1/widgets").code == 200
    again.close()


@pytest.mark.parametrize("survives", ["machine", "process"])
def test_a_disk_that_refuses_is_told_to_the_client_and_the_write_is_kept_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survives: Literal["machine", "process"]
) -> None:
    archive = Archive(tmp_path, survives=survives)
    server = InProcess(archive)

    def refuse(_rows: object) -> None:
        raise sqlite3.OperationalError("disk is full")

    async def run() -> tuple[int, int]:
        with monkeypatch.context() as broken:
            broken.setattr(archive, "_commit", refuse)
            first = await server.call("POST", MAPS, {"metadata": {"name": "a"}})
        second = await server.call("POST", MAPS, {"metadata": {"name": "b"}})
        return first.code, second.code

    assert asyncio.run(run()) == (500, 201)
    archive.close()
    again = Archive(tmp_path)
    names = {entry.name for bucket, entry in again.load() if bucket == ("", "configmaps")}
    again.close()
    assert {"a", "b"} <= names
