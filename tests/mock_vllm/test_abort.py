"""Row 20: a client that goes away aborts its request. Clients are killed at random; slots, memory and journal are right afterwards."""

import asyncio
import json
import random
import re
import socket
import struct
import time
import uuid

import psutil

from tests.mock_vllm.running import Running

TOKENS = 12
AT_ONCE = 120
TIMES = ("--time-to-first-token", "5", "--inter-token-latency", "2")
OPTIONS = (*TIMES, "--max-num-seqs", "64", "--num-gpu-blocks-override", "4096")


def request(request_id: str, **body) -> bytes:
    text = json.dumps({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": TOKENS, **body}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Id: {request_id}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(text) + text


async def client(server: Running, request_id: str, source: random.Random) -> tuple[str, str]:
    """One stream, read to its end or killed: (id, fate)."""
    url = server.api.base_url
    fate = source.choice(["read", "close", "reset", "at once"])
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(request(request_id, stream=True))
    if fate == "read":
        await reader.readuntil(b"data: [DONE]")
    elif fate != "at once":
        for _ in range(source.randint(1, TOKENS)):
            await reader.readuntil(b"\n\n")
    if fate == "reset":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
    return request_id, fate


async def wave(server: Running, seed: int, streams: int) -> dict[str, str]:
    source = random.Random(seed)
    gate = asyncio.Semaphore(AT_ONCE)

    async def limited(number: int) -> tuple[str, str]:
        async with gate:
            return await client(server, f"w{seed}-{number}", source)

    return dict(await asyncio.gather(*[limited(number) for number in range(streams)]))


def gauge(server: Running, name: str) -> float:
    text = server.api.get("/metrics").text
    return float(re.search(rf"^{name}{{[^}}]*}} (\S+)$", text, re.MULTILINE).group(1))


def until_idle(server: Running) -> None:
    deadline = time.monotonic() + 60
    while server.admin.get("/journal", params={"since": 10**9}).json()["in_flight"]:
        assert time.monotonic() < deadline, "requests of clients that are gone are still under way"


def test_row_20_clients_killed_at_random(launch):
    """`python -m benchmarks.mock_vllm.aborts` does it with as many streams as one likes."""
    survive(launch(*OPTIONS, private=True), 800)


def survive(server: Running, streams: int) -> None:
    """Two waves of that many streams, most of them killed: all is in order afterwards, and the second leaves no memory taken."""
    process = psutil.Process(server.process.pid)
    fates = asyncio.run(wave(server, 1, streams))
    until_idle(server)
    before = process.memory_info().rss
    fates |= asyncio.run(wave(server, 2, streams))
    until_idle(server)
    assert process.memory_info().rss - before < 12 * 2**20
    assert gauge(server, "vllm:num_requests_running") == 0
    assert gauge(server, "vllm:num_requests_waiting") == 0
    assert gauge(server, "vllm:kv_cache_usage_perc") == 0
    shown = server.admin.get("/journal").json()
    entries = {entry["request_id"]: entry for entry in shown["entries"]}
    assert len(shown["entries"]) == len(entries)
    # one that was killed before its request was read has no entry; all others have one
    assert {name for name, fate in fates.items() if fate != "at once"} <= set(entries) <= set(fates)
    for name, entry in entries.items():
        if fates[name] == "read":
            assert (entry["aborted"], entry["completion_tokens"], entry["delivered_tokens"]) == (False, TOKENS, TOKENS)
        assert 0 <= entry["delivered_tokens"] <= entry["completion_tokens"] <= TOKENS
        if entry["aborted"]:
            assert (entry["finish_reason"], entry["usage_delivered"]) == (None, False)
    aborted = sum(entry["aborted"] for entry in entries.values())
    # how many depends on how busy the machine is: some are killed before they are read, some after their end
    assert aborted > streams / 10
    generated = sum(entry["completion_tokens"] for entry in entries.values())
    assert gauge(server, "vllm:generation_tokens_total") == generated == shown["totals"]["completion_tokens"]
    text = server.api.get("/metrics").text
    counts = dict(re.findall(r'vllm:request_success_total{[^}]*finished_reason="(\w+)"} (\S+)', text))
    assert float(counts["length"]) + float(counts["abort"]) == len(entries)
    # the engine counts as aborted what it had not finished; a finished answer can still lose its reader
    assert float(counts["abort"]) <= aborted
    assert server.api.get("/health").status_code == 200


def test_row_20_a_whole_reply_is_aborted_too(launch):
    server = launch("--time-to-first-token", "60000", "--max-num-seqs", "1", private=True)
    name = uuid.uuid4().hex
    url = server.api.base_url
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(request(name))
        deadline = time.monotonic() + 60
        while gauge(server, "vllm:num_requests_running") != 1:
            assert time.monotonic() < deadline
    entry = server.admin.get("/journal", params={"request_id": name, "wait": "5"}).json()["entries"][0]
    assert (entry["aborted"], entry["completion_tokens"], entry["status"]) == (True, 0, 0)
    assert gauge(server, "vllm:num_requests_running") == 0


def test_a_client_that_reads_slowly_costs_no_memory(launch):
    server = launch(private=True)
    url = server.api.base_url
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    connections = []
    for number in range(50):
        connection = socket.create_connection((url.host, url.port))
        if number:  # the first one is read later, and through so small a window that would take minutes
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request(f"slow-{number}", stream=True, max_tokens=30000))
        connections.append(connection)
    deadline = time.monotonic() + 60
    while server.admin.get("/journal").json()["in_flight"] < 50:
        assert time.monotonic() < deadline
    # 50 streams of 30,000 tokens are 350 MB of events; what is not read is not written
    assert process.memory_info().rss - before < 150 * 2**20
    data = b""
    while b"[DONE]" not in data[-40:]:
        data = data[-40:] + connections[0].recv(65536)
    for connection in connections:
        connection.close()
    done = server.admin.get("/journal", params={"request_id": "slow-0", "wait": "5"}).json()["entries"][0]
    assert (done["aborted"], done["delivered_tokens"]) == (False, 30000)
    cut = server.admin.get("/journal", params={"request_id": "slow-1", "wait": "5"}).json()["entries"][0]
    assert (cut["aborted"], cut["completion_tokens"]) == (True, 30000)
    assert cut["delivered_tokens"] < 30000


def test_replies_under_way_end_before_the_server_does(launch):
    server = launch("--time-to-first-token", "400", "--drain-seconds", "5", private=True)
    url = server.api.base_url
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(request("last", stream=True))
        deadline = time.monotonic() + 60
        while gauge(server, "vllm:num_requests_running") != 1:
            assert time.monotonic() < deadline
        server.process.terminate()
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    assert data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert server.process.wait(timeout=60) == 0
