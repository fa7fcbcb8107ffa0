"""`python benchmarks/mock_vllm/throughput.py`: JSON requests and zero-delay SSE frames a second on one core, against bare ASGI on uvicorn.

Bars: JSON at least 1.3 times, SSE frames at least 1.5 times. Both servers are pinned to one core and driven in turn; medians of work done
in one second of CPU time count, so that neighbours on the machine disturb both alike.
"""

import argparse
import http.client
import json
import os
import random
import statistics
import urllib.request

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


def journalled(host: str, port: int) -> int:
    """How many requests the journal has counted."""
    with urllib.request.urlopen(f"http://{host}:{port}/journal?since=999999999") as reply:
        return int(json.load(reply)["totals"]["requests"])


def compare(kind: str, bodies: list[bytes], rounds: int, seconds: float) -> float:
    several = len(bodies) > 1
    requests = [
        post("/v1/chat/completions", body, HEADERS | ({"X-Request-Id": f"{number:016x}"} if several else {}))
        for number, body in enumerate(bodies)
    ]
    with mock("--api-key", KEY) as (host, port, admin, pid):
        reply = sample((host, port), bodies[0])
        with bare(
            "sse" if kind.startswith("SSE") else "json", len(reply), reply if kind.startswith("SSE") else b""
        ) as (
            _,
            other,
            bare_pid,
        ):
            sent = 1
            rates: dict[str, list[float]] = {"mock": [], "bare": []}
            for _ in range(rounds):
                for name, at, process in (("mock", port, pid), ("bare", other, bare_pid)):
                    before = cpu_seconds(process)
                    tally, took = drive((host, at), requests, seconds=seconds, frames=kind.startswith("SSE"))
                    used = cpu_seconds(process) - before
                    assert tally.errors == 0, tally.errors
                    sent += tally.replies if name == "mock" else 0
                    count = tally.frames if kind.startswith("SSE") else tally.replies
                    rates[name].append(count / used)
                    spread = f"p50 {tally.quantile(0.5) * 1e3:.2f} ms p99 {tally.quantile(0.99) * 1e3:.2f} ms"
                    print(
                        f"  {kind} {name}: {count / took:,.0f}/s, {count / used:,.0f} a CPU second ({used / took:.0%} of a core), {spread}"
                    )
            print(f"  journal: {journalled(host, admin)} requests of {sent} sent")
            assert journalled(host, admin) == sent
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
    same = {"model": "bench", "messages": MESSAGES, "max_tokens": 20}
    source = random.Random(3)
    words = TEXT.split()
    other = [
        same
        | {
            "messages": [
                MESSAGES[0],
                {"role": "user", "content": " ".join([str(number), *source.choices(words, k=source.randint(12, 36))])},
            ]
        }
        for number in range(10_000)
    ]
    streamed = same | {"stream": True, "max_tokens": 64}
    for kind, bodies, bar in (
        ("JSON", [same], 1.3),
        ("JSON, 10,000 different prompts and request ids", other, 1.3),
        ("SSE", [streamed], 1.5),
    ):
        if chosen.only is None or kind.startswith(chosen.only):
            ratio = compare(kind, [json.dumps(body).encode() for body in bodies], chosen.rounds, chosen.seconds)
            print(f"bar {bar}: {'met' if ratio >= bar else 'MISSED'}")


if __name__ == "__main__":
    main()
