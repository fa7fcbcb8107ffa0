"""`python benchmarks/mock_vllm/throughput.py`: JSON requests and zero-delay SSE frames a second on one core, against bare ASGI on uvicorn.

Bars: JSON at least 1.3 times, SSE frames at least 1.5 times. Both servers are pinned to one core and driven in turn; medians of work done
in one second of CPU time count, so that neighbours on the machine disturb both alike.
"""

import argparse
import http.client
import json
import os
import statistics

from load import drive, post
from servers import KEY, bare, cores, cpu_seconds, mock

TEXT = "What is the capital of France, and how many people live there? Please answer in two short sentences, with a source for each."
MESSAGES = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": TEXT}]
HEADERS = {"Authorization": f"Bearer {KEY}", "X-Request-Id": "0123456789abcdef", "User-Agent": "benchmark/1"}


def sample(address: tuple[str, int], body: bytes) -> bytes:
    connection = http.client.HTTPConnection(*address)
    connection.request("POST", "/v1/chat/completions", body, {**HEADERS, "Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    assert reply.status == 200, text
    return text


def compare(kind: str, body: bytes, rounds: int, seconds: float) -> float:
    request = post("/v1/chat/completions", body, HEADERS)
    with mock("--api-key", KEY) as (host, port, _, pid):
        reply = sample((host, port), body)
        with bare("json" if kind == "JSON" else "sse", len(reply), reply if kind == "SSE" else b"") as (
            _,
            other,
            bare_pid,
        ):
            rates: dict[str, list[float]] = {"mock": [], "bare": []}
            for _ in range(rounds):
                for name, at, process in (("mock", port, pid), ("bare", other, bare_pid)):
                    before = cpu_seconds(process)
                    tally, took = drive((host, at), request, seconds=seconds, frames=kind == "SSE")
                    used = cpu_seconds(process) - before
                    assert tally.errors == 0, tally.errors
                    count = tally.frames if kind == "SSE" else tally.replies
                    rates[name].append(count / used)
                    spread = f"p50 {tally.quantile(0.5) * 1e3:.2f} ms p99 {tally.quantile(0.99) * 1e3:.2f} ms"
                    print(
                        f"  {kind} {name}: {count / took:,.0f}/s, {count / used:,.0f} a CPU second ({used / took:.0%} of a core), {spread}"
                    )
    ours, theirs = statistics.median(rates["mock"]), statistics.median(rates["bare"])
    print(
        f"{kind}: mock {ours:,.0f}, bare ASGI on uvicorn {theirs:,.0f} a CPU second of one core, ratio {ours / theirs:.2f}"
    )
    return ours / theirs


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--only", choices=["JSON", "SSE"])
    chosen = options.parse_args()
    os.sched_setaffinity(0, cores()[1])
    body = {"model": "bench", "messages": MESSAGES, "max_tokens": 64}
    if chosen.only != "SSE":
        ratio = compare("JSON", json.dumps(body | {"max_tokens": 20}).encode(), chosen.rounds, chosen.seconds)
        print(f"bar 1.3: {'met' if ratio >= 1.3 else 'MISSED'}")
    if chosen.only != "JSON":
        ratio = compare("SSE", json.dumps(body | {"stream": True}).encode(), chosen.rounds, chosen.seconds)
        print(f"bar 1.5: {'met' if ratio >= 1.5 else 'MISSED'}")


if __name__ == "__main__":
    main()
