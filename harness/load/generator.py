"""The generator watching itself: its CPU, and how late its timers fire. A measurement by a starved observer is none."""

import time
from typing import Final

import gevent  # type: ignore[import-untyped]  # it ships no types
import psutil

from harness.load.sample import GeneratorReport, percentile

_TICK_S: Final = 0.02


class Watch:
    """Samples this process from one moment of the load to another."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._lags: list[float] = []
        self._cpu_s = 0.0
        self._wall_s = 0.0

    def start(self, *, begin_s: float, end_s: float) -> None:
        """Watch from `begin_s` to `end_s` after now, in a greenlet of its own."""
        self._lags, self._cpu_s, self._wall_s = [], 0.0, 0.0
        gevent.spawn(self._run, begin_s, end_s)

    def report(self, users: int) -> GeneratorReport:
        """What was seen."""
        cores = self._cpu_s / self._wall_s if self._wall_s else 0.0
        return GeneratorReport(cpu_cores=cores, timer_lag_p95_s=percentile(self._lags, 0.95) or 0.0, users=users)

    def _run(self, begin_s: float, end_s: float) -> None:
        gevent.sleep(begin_s)
        begun, before = time.perf_counter(), self._cpu()
        while (elapsed := time.perf_counter() - begun) < end_s - begin_s:
            due = time.perf_counter() + _TICK_S
            gevent.sleep(_TICK_S)
            self._lags.append(max(0.0, time.perf_counter() - due))
            self._cpu_s, self._wall_s = self._cpu() - before, max(elapsed, _TICK_S)

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
