"""Becomes ready, has a child of its own, and like its child ignores SIGTERM."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()",
        ],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    ready = Path(sys.argv[sys.argv.index("--ready-file") + 1])
    temporary = ready.with_suffix(".tmp")
    temporary.write_text(json.dumps({"pid": os.getpid(), "endpoints": {"child": str(child.pid)}}))
    temporary.replace(ready)
    signal.pause()
