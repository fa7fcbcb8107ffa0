"""Never becomes ready."""

import signal
import sys

if __name__ == "__main__":
    sys.stderr.write("still thinking\n")
    sys.stderr.flush()
    signal.pause()
