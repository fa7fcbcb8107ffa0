"""The requirement catalogue: one YAML file an area, read strictly, and kept compiled between runs because every worker needs it at once."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType

from platformdirs import user_cache_path
from pydantic import TypeAdapter, ValidationError

from harness.outcome import HarnessFault, UsageFault
from harness.spec.requirement import Requirement

SOURCES = Path(__file__).with_name("catalogue")
_ROWS: TypeAdapter[tuple[Requirement, ...]] = TypeAdapter(tuple[Requirement, ...])


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All requirements by id, in the order of their areas; `digest` (16 hex digits) names this version of them in reports."""

    rows: Mapping[str, Requirement]
    digest: str

    def __iter__(self) -> Iterator[Requirement]:
        return iter(self.rows.values())

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, requirement_id: object) -> bool:
        return requirement_id in self.rows

    def get(self, requirement_id: str) -> Requirement:
        """Look one up. Raises UsageFault, with the nearest ids, when the catalogue has no such requirement."""
        try:
            return self.rows[requirement_id]
        except KeyError:
            near = get_close_matches(requirement_id.upper(), self.rows, n=3, cutoff=0.7)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise UsageFault(f"no requirement {requirement_id} in the catalogue{hint}") from None

    @property
    def areas(self) -> tuple[str, ...]:
        """Areas in catalogue order."""
        return tuple(dict.fromkeys(row.area for row in self))


@cache
def catalogue() -> Catalogue:
    """The catalogue of this suite. Raises HarnessFault with file and place when a row is malformed or an id occurs twice."""
    files = sorted(SOURCES.glob("*.yaml"))
    contents = [(file, file.read_bytes()) for file in files]
    digest = hashlib.sha256(
        b"\0".join(content for _, content in contents) + Path(__file__).with_name("requirement.py").read_bytes()
    ).hexdigest()[:16]
    compiled = user_cache_path("maas-conformance") / f"catalogue-{digest}.json"
    rows = _read_compiled(compiled)
    if rows is None:
        rows = tuple(row for file, content in contents for row in parse_area(file.name, content))
        _write_compiled(compiled, rows)
    return Catalogue(_by_id(rows), digest)


def parse_area(name: str, content: bytes) -> tuple[Requirement, ...]:
    """Read one area's file: `area: NAME` and `requirements: [...]`. Raises HarnessFault with the row's id and field."""
    import yaml

    try:
        document = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    except yaml.YAMLError as error:
        raise HarnessFault(f"catalogue file {name} is not YAML: {error}") from error
    if not isinstance(document, dict) or set(document) != {"area", "requirements"}:
        raise HarnessFault(f"catalogue file {name}: expected exactly the keys area and requirements")
    rows = [{"area": document["area"], **row} for row in document["requirements"]]
    try:
        # by way of JSON, because strict Python input would refuse lists where the model has tuples
        return tuple(Requirement.model_validate_json(_json(row)) for row in rows)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise HarnessFault(
            f"catalogue file {name}: {_failing_id(rows, first)}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error


def _json(row: object) -> bytes:
    import orjson

    return orjson.dumps(row)


def _failing_id(rows: list[dict[str, object]], problem: object) -> str:
    """The id of the first row that the model refuses, for the person who has to mend it."""
    for row in rows:
        try:
            Requirement.model_validate_json(_json(row))
        except ValidationError:
            return str(row.get("id", "a row without id"))
    return str(problem)


def _by_id(rows: tuple[Requirement, ...]) -> Mapping[str, Requirement]:
    found: dict[str, Requirement] = {}
    for row in rows:
        if row.id in found:
            raise HarnessFault(f"the catalogue has {row.id} twice: in {found[row.id].area} and in {row.area}")
        found[row.id] = row
    return MappingProxyType(found)


def _read_compiled(path: Path) -> tuple[Requirement, ...] | None:
    try:
        return _ROWS.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write_compiled(path: Path, rows: tuple[Requirement, ...]) -> None:
    """Keep the compiled form where the machine allows it; without, every start costs some 200 ms more."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
        with os.fdopen(handle, "wb") as file:
            file.write(_ROWS.dump_json(rows, exclude_none=True))
        Path(temporary).replace(path)
    except OSError:
        return
