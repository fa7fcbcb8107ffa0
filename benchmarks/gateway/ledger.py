"""Are the books exact? Mixed requests at high concurrency, then the limiter's book against what clients and Envoy saw.

`python -m benchmarks.gateway.ledger [--requests 10000] [--concurrency 200]`: JSON, streams with and without usage asked for, client
aborts, and backend errors, in equal parts against the mock model server. Exit 1 unless charged = what Envoy's access log says, and the
complete responses cost exactly what their clients read. (What an aborted stream costs only Envoy knows.)
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path

import httpx

from tests.gateway.doubles import ManagementApi, served
from tests.gateway.stack import INGRESS, MAAS, Stack, running
from tests.gateway.world import Model, World, eventually

KINDS = ("json", "stream", "stream with usage", "abort", "error")


def model_server(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A mock vLLM with a little time between tokens, so that aborts hit running streams."""
    ready = folder / "mock.ready"
    command = [
        sys.executable,
        "-m",
        "mock_vllm",
        "serve",
        "m",
        "--port",
        "0",
        "--admin-port",
        "0",
        "--ready-file",
        str(ready),
    ]
    command += ["--inter-token-latency", "0.01", "--max-num-seqs", "1000"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    eventually(ready.exists, 20)
    return process, int(json.loads(ready.read_text(encoding="utf-8"))["endpoints"]["api"].rsplit(":", 1)[1])


async def call(client: httpx.AsyncClient, url: str, kind: str, tokens: int) -> int | None:
    """One request; the tokens its client read, None for an aborted one."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": tokens, "ignore_eos": True}
    headers = {"X-Request-Id": f"{kind}-{uuid.uuid4().hex}"}
    if kind == "error":
        body["max_tokens"] = -1
    if kind in ("json", "error"):
        answer = await client.post(url, json=body, headers=headers)
        return answer.json().get("usage", {}).get("total_tokens", 0)
    body["stream"] = True
    if kind == "stream with usage":
        body["stream_options"] = {"include_usage": True}
    total = 0
    async with client.stream("POST", url, json=body, headers=headers) as answer:
        seen = 0
        async for line in answer.aiter_lines():
            seen += bool(line)
            if kind == "abort" and seen > tokens // 2:
                return None
            if '"usage"' in line:
                total = json.loads(line.removeprefix("data: "))["usage"]["total_tokens"]
    return total


async def drive(url: str, key: str, requests: int, concurrency: int) -> Counter[str]:
    """All requests; tokens read, by kind."""
    book: Counter[str] = Counter()
    waiting = iter(range(requests))
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(limits=limits, trust_env=False, verify=False, timeout=60, headers=headers) as client:

        async def work() -> None:
            for number in waiting:
                kind = KINDS[number % len(KINDS)]
                tokens = await call(client, url, kind, 4 + number % 13) or 0
                book[kind] += tokens
                book[kind + " requests"] += 1

        await asyncio.gather(*(work() for _ in range(concurrency)))
    return book


def main() -> int:
    """Run it."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--requests", type=int, default=10_000)
    line.add_argument("--concurrency", type=int, default=200)
    arguments = line.parse_args()
    maas = ManagementApi()
    with tempfile.TemporaryDirectory() as folder, served(maas.app()) as port:
        process, model_port = model_server(Path(folder))
        try:
            with running(Stack(Path(folder), f"http://127.0.0.1:{port}")) as stack:
                return balance(stack, model_port, maas, arguments)
        finally:
            process.terminate()
            process.wait()


def balance(stack: Stack, model_port: int, maas: ManagementApi, arguments: argparse.Namespace) -> int:
    """Drive, then compare the books."""
    world = World(stack.kube())
    world.gateways()
    world.auth_policy()
    stack.start_gateway(f"{INGRESS}/{MAAS}/http")
    model: Model = world.model(model_port)
    world.limit(model, (10**12, "1h"))
    maas.grant("*", model.reference, resolved=model.reference)
    started = time.monotonic()
    read = asyncio.run(drive(stack.url() + model.path, maas.key("ledger"), arguments.requests, arguments.concurrency))
    took = time.monotonic() - started

    def entries() -> list[dict[str, object]]:
        lines = [json.loads(item) for item in stack.access_log().read_text(encoding="utf-8").splitlines()]
        return lines if len(lines) >= arguments.requests else []

    logged = eventually(entries, 30)
    known = sum(item["tokens_total"] or 0 for item in logged)
    complete = sum(item["tokens_total"] or 0 for item in logged if not str(item["request_id"]).startswith("abort"))
    charged = sum(item["used"] for item in stack.limiter_admin("/counters").json()["counters"])
    clients = sum(read[kind] for kind in KINDS)
    print(f"{arguments.requests} requests in {took:.1f} s: {dict(read)}")
    print(f"charged {charged:,}, Envoy saw {known:,}; complete responses: Envoy {complete:,}, clients {clients:,}")
    return 0 if charged == known and complete == clients else 1


if __name__ == "__main__":
    sys.exit(main())
