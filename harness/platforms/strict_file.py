"""YAML files of people, read into strict models: a fault names the file, the field, what was expected and what came."""

import re
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.outcome import UsageFault

_M = TypeVar("_M", bound=BaseModel)


def read_strict(path: Path, model: type[_M], what: str) -> _M:
    """Read one YAML document as this model. `what` names the kind of file in sentences. Raises UsageFault."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageFault(f"cannot read the {what} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageFault(f"the {what} {path} is not UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise UsageFault(f"the {what} {path} is not YAML{place}: {getattr(error, 'problem', error)}") from error
    try:
        return model.model_validate(content if content is not None else {})
    except ValidationError as error:
        raise UsageFault(f"the {what} {path} is not valid: {sentences(error)}") from error


def sentences(error: ValidationError) -> str:
    """Every fault as `field: what is wrong, what came`, on one line."""
    return "; ".join(_sentence(dict(fault)) for fault in error.errors(include_url=False))


def _sentence(fault: dict[str, object]) -> str:
    location = fault["loc"]
    assert isinstance(location, tuple)
    field = ".".join(str(part) for part in location) or "the document"
    if fault["type"] == "model_type":
        return f"{field}: expected a mapping (NAME: VALUE), came {_came(fault)}"
    if fault["type"] == "extra_forbidden":
        return f"{field}: there is no such field"
    if fault["type"] == "missing":
        return f"{field}: required and missing"
    if any(word in field for word in ("token", "key", "password", "secret")):
        return f"{field}: {fault['msg']}"  # what came may be a credential
    return f"{field}: {fault['msg']}, came {_came(fault)}"


def _came(fault: dict[str, object]) -> str:
    """The beginning of what came, without credentials of a URL."""
    return re.sub(r"//[^/@\s]+@", "//<secret>@", repr(fault["input"]))[:60]
