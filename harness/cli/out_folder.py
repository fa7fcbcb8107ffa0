"""The folder that a command writes its reports to: tried before the work begins, gone again where a mistake or Ctrl-C ends it."""

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.outcome import EnvironmentFault


@contextmanager
def out_folder(path: Path) -> Iterator[None]:
    """The folder for the length of the block, made if need be; whatever ends the block leaves no empty one that was not there before.

    Raises EnvironmentFault where no file can be written.
    """
    existed = path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise EnvironmentFault(f"cannot write the out folder {path}: {error.strerror}") from error
    try:
        yield
    except BaseException:
        if not existed:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
