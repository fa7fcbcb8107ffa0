"""Credentials as a type: printing, formatting, comparing in a failure message or serialising one never shows its text.

Serialisation shows the text only under the context `{"reveal": True}`, which the platform file (mode 0600) alone uses.
"""

from typing import Annotated, Any, final

from pydantic import BeforeValidator, PlainSerializer, SerializationInfo, WithJsonSchema

MASK = "<secret>"
_REVEALED: set[str] = set()


def revealed() -> frozenset[str]:
    """Every text that this process has revealed: what redaction masks, and what the final scan of all written files looks for."""
    return frozenset(_REVEALED)


def how_many_revealed() -> int:
    """How many texts `revealed` has: they become more and never fewer, so what was made of as many is up to date."""
    return len(_REVEALED)


@final
class Secret:
    """Text that must not be seen; equal to another secret of the same text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the call that sends it; never keep or log the result."""
        _REVEALED.add(self._text)
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Secret is not pickled: pass the platform file's path instead")


def _parse(value: object) -> object:
    return Secret(value) if isinstance(value, str) else value


def _serialise(value: Secret, info: SerializationInfo) -> str:
    return value.reveal() if (info.context or {}).get("reveal") else MASK


class _SecretSchema:
    """Tell pydantic to take the object as it is once it has been parsed."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(Secret)


SecretField = Annotated[
    Secret,
    _SecretSchema,
    BeforeValidator(_parse),
    PlainSerializer(_serialise, return_type=str),
    WithJsonSchema({"type": "string", "writeOnly": True}),
]
