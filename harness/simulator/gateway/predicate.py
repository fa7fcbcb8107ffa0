"""CEL predicates and expressions of policies, over `auth.identity.*` and `request.{path,method}`.

Kuadrant's rules, in short: a predicate that meets a missing key does not hold, an expression that meets one has no value. Both make
the limit not apply; whoever asks decides what "no limit applies" means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

ENVIRONMENT = cel.NewEnv(variables={"auth": cel.Type.DYN, "request": cel.Type.DYN})


class InvalidExpressionError(ValueError):
    """The text is not CEL over `auth` and `request`; the message says where it breaks."""


@lru_cache(maxsize=8192)
def compiled(text: str) -> Any:
    """The compiled expression. Raises InvalidExpressionError."""
    try:
        return ENVIRONMENT.compile(text)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidExpressionError(f"not a CEL expression over auth and request: {text!r}: {reason}") from error


@dataclass(frozen=True, slots=True)
class Facts:
    """What predicates may ask of one request: the identity (Authorino's filtered view of it), path and method."""

    identity: Mapping[str, str]
    path: str
    method: str = "POST"
    _data: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        data = {"auth": {"identity": dict(self.identity)}, "request": {"path": self.path, "method": self.method}}
        object.__setattr__(self, "_data", data)

    def holds(self, predicate: str) -> bool:
        """Whether the predicate is true; a missing key or a non-boolean is not."""
        value = compiled(predicate).eval(data=self._data)
        return value.type() == cel.Type.BOOL and value.value() is True

    def value_of(self, expression: str) -> str | None:
        """The expression's string value, None where a key is missing."""
        value = compiled(expression).eval(data=self._data)
        return None if value.type() in (cel.Type.ERROR, cel.Type.NULL) else str(value.plain_value())
