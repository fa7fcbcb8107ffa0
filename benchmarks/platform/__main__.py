"""How long the whole embedded platform takes to be ready, and to serve one model more.

`python -m benchmarks.platform [--models 2 100] [--added 5] [--rounds 1]` starts the platform with so many models, adds models one by one
while it runs, and prints seconds beside their bars: ready in 3 s with two models and in 8 s with a hundred; a model that is added serves
within 1 s. Processor seconds of each component until ready tell where the time goes; on a busy machine they are the steadier number.

Exit 0: every bar is met; 1: not.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.platform import crowd
from harness.kube.apply import apply_manifests
from harness.kube.cluster import Cluster
from harness.kube.labels import run_labels
from harness.kube.wait import Bound
from harness.platforms.introduction import DEVELOPER, NAMESPACE, introduce
from harness.platforms.platform import Platform
from harness.platforms.readiness import wait_until_in_force
from harness.platforms.target import TargetOptions, open_target

FEW, MANY = 2, 100
READY_BARS = {FEW: 3.0, MANY: 8.0}
ADDED_BAR_S = 1.0
PATIENCE_S = 60.0
USER = f"system:serviceaccount:{NAMESPACE}:{DEVELOPER}"


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds until ready, processor seconds of each component by then, and seconds until each added model served.

    `load`: the machine's load average of the minute before the start and of that of the end. Beside a busy machine's, seconds say little.
    """

    models: int
    ready_s: float
    processor_s: dict[str, float]
    added_s: tuple[float, ...]
    load: tuple[float, float]

    @property
    def met(self) -> bool:
        """Whether it keeps the bars; a number of models without a bar has that of the next greater one."""
        return self.ready_s <= self.bar_s and max(self.added_s, default=0.0) <= ADDED_BAR_S

    @property
    def bar_s(self) -> float:
        """How soon it has to be ready."""
        return next((bar for models, bar in sorted(READY_BARS.items()) if self.models <= models), READY_BARS[MANY])

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        before, after = self.load
        yield (
            f"{self.models} models: ready in {self.ready_s:.2f} s (bar {self.bar_s:g} s; "
            f"load average {before:.1f} before, {after:.1f} after)"
        )
        spent = ", ".join(
            f"{name} {seconds:.1f}" for name, seconds in sorted(self.processor_s.items(), key=lambda item: -item[1])
        )
        yield f"  processor seconds until then: {sum(self.processor_s.values()):.1f} ({spent})"
        if self.added_s:
            yield (
                f"  a model added serves after {statistics.median(self.added_s):.2f} s, "
                f"at most {max(self.added_s):.2f} s of {len(self.added_s)} (bar {ADDED_BAR_S:g} s)"
            )


def measure(models: int, added: int) -> Measured:
    """One platform, from nothing to nothing."""
    before = os.getloadavg()[0]
    with platform_of(models) as platform:
        spent = {name: processor_seconds(process.pid) for name, process in platform.processes.items()}
        seconds = tuple(added_models(platform, added)) if added else ()
        assert platform.startup_s is not None
        return Measured(models, platform.startup_s, spent, seconds, (before, os.getloadavg()[0]))


@contextmanager
def platform_of(models: int) -> Iterator[Platform]:
    """The embedded platform with so many models."""
    with tempfile.TemporaryDirectory() as folder:
        options = TargetOptions(worlds=(crowd.write(Path(folder), models),), state_dir=Path(folder) / "state")
        with open_target(options, lambda _line: None) as platform:
            yield platform


def processor_seconds(pid: int) -> float:
    """Processor time of a process and its children."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(times.user + times.system for times in (member.cpu_times() for member in family))


def added_models(platform: Platform, count: int) -> Iterator[float]:
    """Seconds from the first write of a model's objects to its first answer, for one model after the other."""
    key = introduce(platform).api_key
    assert key is not None
    assert platform.kubeconfig is not None
    with Cluster.connect(platform.kubeconfig) as cluster, httpx.Client(trust_env=False, timeout=30) as client:
        for number in range(count):
            name = f"added-{number}"
            subscribed = list(crowd.governance("ample", [*_subscribed(cluster), name], {"users": [USER]}))
            started = time.monotonic()
            objects = [*crowd.model(name), *subscribed]
            apply_manifests(cluster, objects, run_labels("benchmark"))
            # nobody asks before the platform says that it is ready: the word of its statuses is what is measured
            wait_until_in_force(cluster, objects, Bound("patience", PATIENCE_S))
            url = f"{platform.endpoints.gateway}/{crowd.HOME}/{name}/v1/chat/completions"
            body = {"model": f"crowd/{name}", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
            while (answer := _post(client, url, body, key.reveal())).status_code != 200:
                if time.monotonic() - started > PATIENCE_S:
                    raise SystemExit(f"{name} does not serve: {answer.status_code} {answer.text[:300]}")
                time.sleep(0.01)
            yield time.monotonic() - started


def _post(client: httpx.Client, url: str, body: object, key: str) -> httpx.Response:
    return client.post(url, json=body, headers={"Authorization": f"Bearer {key}"})


def _subscribed(cluster: Cluster) -> list[str]:
    """The models of the introduction's subscription, which grows by one each time."""
    found = cluster.objects(crowd.MAAS, "MaaSSubscription", namespace=crowd.SUBSCRIPTIONS)
    ample = next(one for one in found if one["metadata"]["name"] == "ample")
    return [ref["name"] for ref in ample["spec"]["modelRefs"]]


def main(words: Sequence[str] | None = None) -> int:
    """Run it."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--models", type=int, nargs="+", default=[FEW, MANY])
    line.add_argument("--added", type=int, default=5, help="models to add while the platform runs")
    line.add_argument("--rounds", type=int, default=1, help="the best of so many starts counts")
    chosen = line.parse_args(words)
    met = True
    for models in chosen.models:
        best = min((measure(models, chosen.added) for _ in range(chosen.rounds)), key=lambda found: found.ready_s)
        print("\n".join(best.lines()), flush=True)
        met = met and best.met
    print("every bar is met" if met else "NOT every bar is met")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
