"""A name for exactly these checks: reports of different suites must not be compared as if they were of one."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest_of(paths: Iterable[Path], root: Path) -> str:
    """SHA-256 (hex) over the Python files at or below these paths: their places relative to `root`, and their contents."""
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path]) if file.is_file()}
    digest = hashlib.sha256()
    for file in sorted(files):
        place = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
        for part in (place.as_posix().encode(), file.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
