"""Says why, and ends before it is ready."""

import sys

if __name__ == "__main__":
    sys.stderr.write("first line\ncannot open the flux capacitor\n")
    raise SystemExit(7)
