"""Time over the network: first token, gaps, queue, both clocks."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.mock_vllm.running import Running

BODY = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20, "stream": True}


def arrivals(server: Running, **body) -> list[float]:
    """When the frames of one stream came, in seconds from the request."""
    begin = time.perf_counter()
    found = []
    with httpx.stream("POST", f"{server.api.base_url}/v1/chat/completions", json=BODY | body, timeout=60) as reply:
        for chunk in reply.iter_raw():
            found += [time.perf_counter() - begin] * chunk.count(b'"content":" ')
    return found


@pytest.mark.parametrize("mode", ["precise", "cheap"])
def test_tokens_are_paced(launch, mode):
    server = launch("--time-to-first-token", "100", "--inter-token-latency", "10", "--timing-mode", mode)
    seen = arrivals(server)
    assert seen[0] >= 0.1
    # absolute deadlines: no token is early, however late others came
    assert all(at >= 0.1 + 0.01 * number - 0.001 for number, at in enumerate(seen))


def test_row_26_requests_beyond_the_slots_wait(launch):
    server = launch("--max-num-seqs", "1", "--time-to-first-token", "100")
    begin = time.perf_counter()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: arrivals(server), range(3)))
    assert time.perf_counter() - begin >= 0.3


def test_times_change_at_run_time(launch):
    server = launch(private=True)
    assert server.admin.put("/timing", json={"time_to_first_token": 150}).json()["time_to_first_token"] == 150
    assert arrivals(server)[0] >= 0.15
    refused = server.admin.put("/timing", json={"time_to_first_token": "soon"})
    assert refused.status_code == 400
    assert "time_to_first_token" in refused.json()["error"]["message"]


def test_metrics_know_the_times(launch):
    server = launch("--time-to-first-token", "30", "--inter-token-latency", "20", "--seed", "5")
    arrivals(server)
    lines = server.api.get("/metrics").text.splitlines()
    labels = 'engine="0",model_name="shown"'
    assert f'vllm:time_to_first_token_seconds_bucket{{{labels},le="0.02"}} 0.0' in lines
    assert f'vllm:inter_token_latency_seconds_bucket{{{labels},le="0.01"}} 0.0' in lines
    assert f"vllm:inter_token_latency_seconds_count{{{labels}}} 19.0" in lines


@pytest.mark.parametrize(
    ("text", "value"), [("constant:7", 7.0), ("3", 3.0), ("squarewave:2:9:1000000", 2.0), ("ramp:5:6:100000000", 5.0)]
)
def test_fake_metrics(launch, text, value):
    server = launch("--seed", "6")
    wanted = {"running-requests": float(text) if text.isdigit() else text}
    assert server.admin.put("/fake-metrics", json=wanted).status_code == 200
    line = next(
        line for line in server.api.get("/metrics").text.splitlines() if line.startswith("vllm:num_requests_running{")
    )
    assert float(line.rpartition(" ")[2]) == pytest.approx(value, abs=0.01)


def test_a_fake_metric_that_is_none(launch):
    refused = launch("--seed", "6").admin.put("/fake-metrics", json={"running-requests": "zigzag:1"})
    assert refused.status_code == 400
    assert "zigzag:1" in refused.json()["error"]["message"]
