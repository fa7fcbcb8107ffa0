"""Runs of the suite as processes, several at once, that all end in order when the self-test is interrupted."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from harness.platforms.termination import sigterm_interrupts, uninterrupted

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class Processes:
    """Commands of ours that run now. An interruption is passed on and waited for: killed, they would leave their platforms behind."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._ending = False

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run it to its end, from any thread. Raises KeyboardInterrupt once `end` was called, starting nothing."""
        with self._lock:
            if self._ending:
                raise KeyboardInterrupt
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self._running.add(process)
        said, complained = process.communicate()
        with self._lock:
            self._running.discard(process)
        return subprocess.CompletedProcess(command, process.returncode, said, complained)

    def end(self) -> None:
        """Tell all of them to end, and start no more. Ctrl-C may have reached them already: a run hears the first signal alone."""
        with self._lock:
            self._ending = True
            for process in self._running:
                process.send_signal(signal.SIGTERM)


def side_by_side(
    jobs: Iterable[_Job], work: Callable[[_Job, Processes], _Result], *, at_once: int
) -> Iterator[_Result]:
    """Results as they come, of so many jobs at a time, in the order of the jobs begun.

    Interrupted, it ends what runs and waits for it, however impatient the person is, and raises KeyboardInterrupt.
    """
    processes = Processes()
    with sigterm_interrupts():
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="selftest")
        try:
            futures = [pool.submit(work, job, processes) for job in jobs]
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            with uninterrupted():
                processes.end()
                pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown()
