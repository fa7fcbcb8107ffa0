"""Announces what it was told and ends on SIGTERM."""

import json
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    ready = Path(sys.argv[sys.argv.index("--ready-file") + 1])
    told = sys.argv[1 : sys.argv.index("--ready-file")]
    temporary = ready.with_suffix(".tmp")
    temporary.write_text(
        json.dumps({"pid": os.getpid(), "endpoints": {"api": f"http://{os.getpid()}", "told": " ".join(told)}})
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    temporary.replace(ready)
    signal.sigwait([signal.SIGTERM])


if __name__ == "__main__":
    main()
