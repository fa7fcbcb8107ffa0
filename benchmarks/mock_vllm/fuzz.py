"""Requests that schemathesis makes of the OpenAPI document, valid and not: no crash, no fault of the server, no hang, no leak.

python benchmarks/mock_vllm/fuzz.py [--requests 10000] [--seed N]
"""

import argparse
import collections
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from servers import mock

TIMEOUT_S = 20.0
GROWTH_MIB = 96.0  # the journal and the kept responses fill up meanwhile; both are bounded
ROUND = 50  # examples of one operation in one go
MODEL = "bench"
UNASKED = ("/sleep",)  # a server that was sent to sleep lets requests wait, as it should


@dataclass
class Found:
    """What came back: replies by status, and what must not be."""

    replies: collections.Counter[int] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def made(self) -> int:
        return sum(self.replies.values()) + len(self.wrong)

    def take(self, case: schemathesis.Case, base: str, session: requests.Session) -> None:
        """Send one request and judge its reply."""
        shown = f"{case.method} {case.path} {case.body!r:.400}"
        begin = time.monotonic()
        try:
            reply = case.call(base_url=base, session=session, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            self.wrong.append(f"{shown}: {type(error).__name__}: {error}")
            return
        self.slowest_s = max(self.slowest_s, time.monotonic() - begin)
        if reply.status_code >= 500:
            self.wrong.append(f"{shown}: {reply.status_code} {reply.content[:300]!r}")
        else:
            self.replies[reply.status_code] += 1


def ask(found: Found, operation: Any, mode: GenerationMode, number: int, base: str, session: requests.Session) -> None:
    """Send one round of requests to one operation."""
    quiet = list(HealthCheck)

    @seed(number)
    @settings(max_examples=ROUND, deadline=None, phases=[Phase.generate], database=None, suppress_health_check=quiet)
    @given(case=operation.as_strategy(generation_mode=mode))
    def sent(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body["model"] = MODEL  # a made-up name gets no further than 404
        found.take(case, base, session)

    sent()


def fuzz(base: str, wanted: int, first_seed: int) -> Found:
    """Ask every operation in turn, with data of its schema and with other data, until `wanted` requests are made."""
    found = Found()
    document = schemathesis.openapi.from_url(f"{base}/openapi.json")
    operations = [one.ok() for one in document.get_all_operations()]
    number = first_seed
    with requests.Session() as session:
        while found.made < wanted:
            before = found.made
            for operation in operations:
                bodied = "requestBody" in operation.definition.raw
                for mode in [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if bodied else [GenerationMode.POSITIVE]:
                    if operation.path not in UNASKED and found.made < wanted:
                        ask(found, operation, mode, number, base, session)
            number += 1
            sys.stderr.write(f"{found.made} requests, {len(found.wrong)} wrong\n")
            if found.made == before:
                raise SystemExit("schemathesis makes no requests of this document")
    return found


def judge(found: Found, host: str, port: int, admin: int, grown: float) -> list[str]:
    """All that is wrong, one sentence each."""
    wrong = list(found.wrong)
    alive = httpx.post(f"http://{host}:{port}/v1/completions", json={"prompt": "Hello", "max_tokens": 3}, timeout=5)
    if alive.status_code != 200:
        wrong.append(f"afterwards a plain request gets {alive.status_code}: {alive.text}")
    state = httpx.get(f"http://{host}:{admin}/journal", timeout=60).json()
    if state["in_flight"]:
        wrong.append(f"{state['in_flight']} requests are still in flight")
    late = [entry for entry in state["entries"] if entry["status"] >= 500]
    wrong += [f"the journal has status {entry['status']} for {entry['path']}" for entry in late]
    if grown > GROWTH_MIB:
        wrong.append(f"the server has grown by {grown:.0f} MiB, more than {GROWTH_MIB:.0f}")
    return wrong


def main() -> int:
    """Exit code 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["VLLM_SERVER_DEV_MODE"] = "1"
    with mock("--enable-lora", "--max-model-len", "4096") as (host, port, admin, pid):
        server = psutil.Process(pid)
        before, begin = server.memory_info().rss, time.monotonic()
        found = fuzz(f"http://{host}:{port}", options.requests, options.seed)
        took = time.monotonic() - begin
        grown = (server.memory_info().rss - before) / 2**20
        wrong = judge(found, host, port, admin, grown)
    shown = ", ".join(f"{status}: {count}" for status, count in sorted(found.replies.items()))
    print(f"{found.made} requests in {took:.0f} s ({shown}); slowest {found.slowest_s:.2f} s; memory +{grown:.0f} MiB")
    for line in wrong[:20]:
        print(line)
    print("nothing is wrong" if not wrong else f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
