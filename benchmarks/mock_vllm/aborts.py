"""`python -m benchmarks.mock_vllm.aborts [--streams 5000]`: clients killed at random, and whether slots, memory and journal are right.

A soak of what the tests do with fewer streams. Ends with a traceback that names what was not in order.
"""

import argparse
import tempfile
import time
from pathlib import Path

from tests.mock_vllm.running import start
from tests.mock_vllm.test_abort import OPTIONS, survive


def main() -> None:
    """Two waves against a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=5000, help="how many in each of two waves")
    streams = parser.parse_args().streams
    with tempfile.TemporaryDirectory() as folder:
        server = start(Path(folder), *OPTIONS)
        try:
            began = time.perf_counter()
            survive(server, streams)
            print(f"2 x {streams} streams in {time.perf_counter() - began:.1f} s: all in order")
        finally:
            server.process.terminate()
            server.process.wait(60)


if __name__ == "__main__":
    main()
