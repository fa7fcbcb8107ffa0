"""Are the books exact? Mixed requests at high concurrency through one gateway, and through two that share Redis.

`python -m benchmarks.gateway.ledger [--requests 10000] [--concurrency 200] [--gateways 1 2]` sends JSON, streams with and without usage
asked for, clients that leave, backends that break off, and backends that fail, in equal parts against the mock model server, and
balances what clients were told, what the model server journalled and what the limiters count (`reckoning.py` has the rules).

Exit 0: balanced to the token; 1: not.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gateway.mixed import Account, drive
from benchmarks.gateway.reckoning import Reckoning, lines_of
from mock_vllm.testing import MockVLLM
from tests.gateway.doubles import ManagementApi, served
from tests.gateway.second import attach_to_both, redis_server, second_gateway
from tests.gateway.stack import INGRESS, MAAS, Stack, running
from tests.gateway.world import Model, World, eventually

USERS = 4
SHOWN = 10
SETTLED_S = 60.0


@dataclass(frozen=True, slots=True)
class Site:
    """One or two gateways before one model server."""

    stack: Stack
    server: MockVLLM
    maas: ManagementApi
    urls: tuple[str, ...]
    logs: tuple[Path, ...]

    def accounts(self) -> tuple[Account, ...]:
        """Users with a key each."""
        return tuple(Account(f"user-{number}", self.maas.key(f"user-{number}")) for number in range(USERS))

    def counted(self) -> dict[str, int]:
        """What the limiter counts, by user."""
        found: Counter[str] = Counter()
        for item in self.stack.limiter_admin("/counters").json()["counters"]:
            found[next(iter(item["variables"].values()))] += item["used"]
        return dict(found)

    def log(self) -> list[dict[str, Any]]:
        """The access logs of all gateways."""
        texts = [path.read_text(encoding="utf-8") for path in self.logs if path.exists()]
        return [json.loads(line) for text in texts for line in text.splitlines()]


@contextlib.contextmanager
def site(folder: Path, gateways: int) -> Iterator[Site]:
    """Start everything for the length of the block."""
    maas = ManagementApi()
    with (
        contextlib.ExitStack() as stack_of,
        MockVLLM("m", inter_token_latency=5, max_num_seqs=2000, journal_size=200_000) as server,
        served(maas.app()) as port,
    ):
        shared = stack_of.enter_context(redis_server(folder / "socket")) if gateways > 1 else None
        options = ("--redis", shared) if shared else ()
        stack = Stack(folder, f"http://127.0.0.1:{port}", limiter_options=options)
        with running(stack):
            world = World(stack.kube())
            world.gateways()
            world.auth_policy()
            stack.start_gateway(f"{INGRESS}/{MAAS}/http")
            model = governed(world, maas, server)
            urls, logs = [stack.url() + model.path], [stack.access_log()]
            if shared:
                second = folder / "second"
                second.mkdir()
                other = stack_of.enter_context(second_gateway(stack, world, second, shared))
                attach_to_both(world, model)
                urls, logs = [*urls, other.url + model.path], [*logs, other.access_log]
            try:
                yield Site(stack, server, maas, tuple(urls), tuple(logs))
            finally:
                stack_of.close()


def governed(world: World, maas: ManagementApi, server: MockVLLM) -> Model:
    """The mock server as a model with an ample limit that everybody may use."""
    model: Model = world.model(int(server.url.rsplit(":", 1)[1]))
    world.limit(model, (10**12, "24h"))
    maas.grant("*", model.reference, resolved=model.reference)
    return model


def reckon(place: Site, requests: int, concurrency: int) -> Reckoning:
    """Drive, wait until the last reports are booked, and put the books side by side."""
    seen = asyncio.run(drive(place.urls, place.accounts(), requests, concurrency))
    log = eventually(lambda: found if len(found := place.log()) >= requests else None, SETTLED_S)
    journal = eventually(lambda: found if len(found := place.server.journal()) >= requests else None, SETTLED_S)
    due = sum(entry["tokens_total"] or 0 for entry in log)
    with contextlib.suppress(AssertionError):  # then the reckoning says what is missing
        eventually(lambda: sum(place.counted().values()) == due, 5)
    return Reckoning(lines_of(seen, journal, log), place.counted())


def balanced(gateways: int, requests: int, concurrency: int) -> bool:
    """One site, one table; whether every book agrees."""
    with tempfile.TemporaryDirectory() as folder, site(Path(folder), gateways) as place:
        started = time.monotonic()
        result = reckon(place, requests, concurrency)
        took = time.monotonic() - started
    problems = list(result.problems())
    where = "one gateway" if gateways == 1 else f"{gateways} gateways that share Redis"
    print(f"{where}: {requests:,} requests at concurrency {concurrency} in {took:.1f} s")
    print(result.table())
    print("balanced to the token\n" if not problems else f"NOT BALANCED: {len(problems)} findings")
    for problem in problems[:SHOWN]:
        print(f"  {problem}")
    return not problems


def main(words: Sequence[str] | None = None) -> int:
    """Run it."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--requests", type=int, default=10_000)
    line.add_argument("--concurrency", type=int, default=200)
    line.add_argument("--gateways", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    chosen = line.parse_args(words)
    results = [balanced(gateways, chosen.requests, chosen.concurrency) for gateways in chosen.gateways]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
