"""Several worker processes look like one server: one journal, one set of metrics, one set of faults, one end."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests.mock_vllm.running import Running

CHAT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}


@pytest.fixture
def pair(launch) -> Running:
    return launch("--workers", "2", private=True)


def ask(server: Running, number: int) -> int:
    """One request on a connection of its own, so that the kernel spreads them."""
    headers = {"X-Request-Id": f"req-{number}"}
    return httpx.post(f"{server.api.base_url}/v1/chat/completions", json=CHAT, headers=headers, timeout=60).status_code


def test_journal_and_metrics_are_one(pair: Running):
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda number: ask(pair, number), range(60)))
    assert codes == [200] * 60
    shown = pair.admin.get("/journal").json()
    assert {entry["request_id"] for entry in shown["entries"]} == {f"req-{number}" for number in range(60)}
    assert [entry["seq"] for entry in shown["entries"]] == list(range(1, 61))
    assert shown["totals"]["completion_tokens"] == 180
    for client in (pair.api, pair.admin):
        text = client.get("/metrics").text
        assert 'vllm:generation_tokens_total{engine="0",model_name="shown"} 180.0' in text
        assert 'vllm:request_success_total{engine="0",model_name="shown",finished_reason="length"} 60.0' in text
    pair.admin.delete("/journal")
    assert pair.admin.get("/journal").json()["entries"] == []


def test_faults_reach_every_worker(pair: Running):
    rule = {"kind": "error", "status": 503}
    assert pair.admin.put("/faults", json={"faults": [rule]}).json()["faults"] == [rule]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda number: ask(pair, number), range(20))) == {503}
    assert pair.admin.get("/faults").json()["struck"] == [20]


def workers_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children()


def test_a_signal_ends_all_processes(pair: Running):
    workers = workers_of(pair.process.pid)
    assert len(workers) == 2
    pair.process.send_signal(signal.SIGTERM)
    assert pair.process.wait(timeout=60) == 0
    assert not any(worker.is_running() for worker in workers)


def test_the_death_of_a_worker_ends_the_server(pair: Running):
    workers_of(pair.process.pid)[0].kill()
    assert pair.process.wait(timeout=60) == 1
    assert b"worker process ended by itself" in pair.process.stderr.read()


def test_workers_die_with_their_supervisor(pair: Running):
    workers = workers_of(pair.process.pid)
    pair.process.kill()
    pair.process.wait(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []


def test_one_request_is_journalled_as_ndjson(pair: Running):
    ask(pair, 7)
    lines = pair.admin.get("/journal.ndjson").text.splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == ["req-7"]
