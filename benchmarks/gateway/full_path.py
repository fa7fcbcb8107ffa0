"""What the whole gateway path costs against the same Envoy as a plain proxy, in one run.

`python -m benchmarks.gateway.full_path [--rounds 3] [--seconds 6] [--connections 64]` needs `wrk`. The two gateways of one Envoy (one
worker) lead to the same backend: the standard one proxies, the governed one authenticates, checks the quota, reads usage and reports.
Rounds are interleaved and the median ratio is printed; the bar is 0.25. Envoy's processor time per request is printed beside it: on a
busy machine it is the steadier number, and its ratio is what the rates' ratio would be on a core of Envoy's own.

Exit 1 when it is missed or when the books do not balance.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.gateway.doubles import ManagementApi, served
from tests.gateway.stack import INGRESS, MAAS, STANDARD, Stack, launch, running
from tests.gateway.world import PARENT, HTTPRoute, Model, World

BAR = 0.25
REQUEST = {"messages": [{"role": "user", "content": "word " * 40}], "max_tokens": 16}


def wrk(url: str, headers: dict[str, str], body: str, seconds: int, connections: int) -> float:
    """Requests per second; every answer must be a success."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        lines = [f"wrk.method = 'POST'\nwrk.body = {json.dumps(body)}"]
        lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        script.write("\n".join(lines))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"not every request succeeded:\n{text}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))  # type: ignore[union-attr]


def envoy(stack: Stack) -> psutil.Process:
    """The Envoy of the gateway."""
    return psutil.Process(stack.parts["gateway"].process.pid).children()[0]


def processor_seconds(process: psutil.Process) -> float:
    """Processor time a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def pin(stack: Stack, backend: int) -> None:
    """Where there are four cores: one for Envoy, one for the backend, one for the services, and one for all the rest.

    wrk belongs to the rest, as a child of ours.
    """
    if (os.cpu_count() or 1) < 4:
        return
    places = [(envoy(stack).pid, "0"), (backend, "1"), (os.getpid(), "3")]
    places += [(stack.parts[name].process.pid, "2") for name in ("authorizer", "limiter")]
    places += [(stack.parts[name].process.pid, "3") for name in ("api", "gateway")]
    for process, core in places:
        subprocess.run(["taskset", "-acp", core, str(process)], check=True, capture_output=True)


def main() -> int:
    """Run the comparison."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--rounds", type=int, default=3)
    line.add_argument("--seconds", type=int, default=6)
    line.add_argument("--connections", type=int, default=64)
    arguments = line.parse_args()
    maas = ManagementApi()
    with tempfile.TemporaryDirectory() as folder, served(maas.app()) as port:
        stack = Stack(Path(folder), f"http://127.0.0.1:{port}")
        backend = launch(Path(folder), "backend", "benchmarks.gateway.backend")
        try:
            with running(stack):
                return measure(stack, backend.endpoints["api"], backend.process.pid, maas, arguments)
        finally:
            backend.stop()


def measure(stack: Stack, backend: str, backend_pid: int, maas: ManagementApi, arguments: argparse.Namespace) -> int:
    """Create one model on both gateways, measure it through each, and compare the limiter's book with what was served."""
    world = World(stack.kube())
    world.gateways()
    world.auth_policy()
    stack.start_gateway(f"{INGRESS}/{MAAS}/http", f"{INGRESS}/{STANDARD}/http")
    model = world.model(int(backend.rsplit(":", 1)[1]))
    world.patch(
        HTTPRoute,
        model.namespace,
        model.route,
        {"spec": {"parentRefs": [{**PARENT, "name": item} for item in (MAAS, STANDARD)]}},
    )
    world.route_in_force(model)
    world.limit(model, (10**12, "1h"))
    maas.grant("*", model.reference, model.alias, resolved=model.reference)
    key = maas.key("bench")
    pin(stack, backend_pid)
    ok = True
    for name, fields in (("JSON", {}), ("SSE, usage not asked for", {"stream": True})):
        body = json.dumps({"model": model.alias, **fields, **REQUEST}, separators=(",", ":"))
        ok = compare(stack, model, key, name, body, arguments) and ok
    return 0 if ok else 1


def compare(stack: Stack, model: Model, key: str, name: str, body: str, arguments: argparse.Namespace) -> bool:
    """Interleaved rounds of one kind of request; true when the bar is met (JSON) and the book balances."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    rates: dict[str, list[float]] = {MAAS: [], STANDARD: []}
    costs: dict[str, list[float]] = {MAAS: [], STANDARD: []}
    before = booked(stack)
    served_before = logged(stack)
    for _ in range(arguments.rounds):
        for gateway in (STANDARD, MAAS):
            url = stack.url(gateway) + model.path
            started = processor_seconds(envoy(stack))
            rates[gateway].append(wrk(url, headers, body, arguments.seconds, arguments.connections))
            costs[gateway].append(
                (processor_seconds(envoy(stack)) - started) / (rates[gateway][-1] * arguments.seconds)
            )
    ratio = statistics.median(full / plain for full, plain in zip(rates[MAAS], rates[STANDARD], strict=True))
    time.sleep(1.0)  # Envoy flushes its access log and ends what wrk cut off
    plain, full = statistics.median(rates[STANDARD]), statistics.median(rates[MAAS])
    print(f"{name}: plain {plain:,.0f}/s, full {full:,.0f}/s, ratio {ratio:.3f}")
    cheap, dear = statistics.median(costs[STANDARD]) * 1e6, statistics.median(costs[MAAS]) * 1e6
    print(f"{name}: Envoy's processor time {cheap:.0f} us and {dear:.0f} us a request, ratio {cheap / dear:.3f}")
    charged, expected = booked(stack) - before, logged(stack) - served_before
    print(f"{name}: charged {charged:,} tokens, access log says {expected:,}")
    return charged == expected and (ratio >= BAR or "SSE" in name)


def booked(stack: Stack) -> int:
    """Tokens the limiter has charged."""
    counters = stack.limiter_admin("/counters").json()["counters"]
    return sum(item["used"] for item in counters)


def logged(stack: Stack) -> int:
    """Tokens the access log names."""
    lines = stack.access_log().read_text(encoding="utf-8").splitlines() if stack.access_log().exists() else []
    return sum(json.loads(line).get("tokens_total") or 0 for line in lines)


if __name__ == "__main__":
    sys.exit(main())
