"""A folder of evidence for the CNCF programme. Names that its validator takes for its own suite's files are never written."""

import gzip
import io
import shutil
import tarfile
from pathlib import Path
from typing import Final

from harness.outcome import EnvironmentFault, UsageFault
from harness.reporting.cncf_ai import programme
from harness.reporting.cncf_pages import ARCHIVE, FOLDER, overview, page, snippets
from harness.reporting.conformance import ConformanceReport
from harness.reporting.signature import SIGNATURES, signed_files

_SHOWN: Final = ("report.yaml", "junit.xml", "report.html")


def export(folder: Path, report: ConformanceReport, out: Path) -> list[Path]:
    """Write the pages, the snippets and the report itself below OUT. Raises UsageFault when something is there already."""
    target = out / FOLDER
    if target.exists() and any(target.iterdir()):
        raise UsageFault(f"{target} is not empty: name another folder, or remove it")
    wanted = programme()
    try:
        target.mkdir(parents=True, exist_ok=True)
        for requirement in wanted.requirements:
            text = "\n".join(page(requirement, report)) + "\n"
            (target / f"{requirement.id}.md").write_text(text, encoding="utf-8")
        (target / "README.md").write_text("\n".join(overview(wanted, report)) + "\n", encoding="utf-8")
        (target / "snippets.yaml").write_bytes(snippets(wanted, report))
        for name in _SHOWN:
            shutil.copyfile(folder / name, target / name)
        (target / ARCHIVE).write_bytes(_archive(folder))
    except OSError as error:
        raise EnvironmentFault(f"cannot write {error.filename}: {error.strerror}") from error
    return sorted(target.iterdir())


def _archive(folder: Path) -> bytes:
    """The whole report as it was handed in, so that `verify` can be asked about it; the same bytes for the same files."""
    buffer = io.BytesIO()
    names = [*signed_files(folder), *([SIGNATURES] if (folder / SIGNATURES).is_file() else [])]
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(names):
            content = (folder / name).read_bytes()
            entry = tarfile.TarInfo(f"report/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
