"""`python -m benchmarks.kubeapi.flood [--requests 10000] [--seed N]`: generated requests, many nearly right, and what was answered.

A soak of what the tests do with fewer requests. Exit 1 when the server answered one of them with a fault of its own.
"""

import argparse
import time

from tests.kubeapi.test_robustness import SEED, flood


def main() -> int:
    """Send them and print how often each status came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    began = time.perf_counter()
    faults, codes = flood(asked.requests, asked.seed)
    print(f"{asked.requests} requests in {time.perf_counter() - began:.1f} s:", dict(sorted(codes.items())))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
