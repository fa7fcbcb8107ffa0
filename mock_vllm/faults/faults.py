"""Which request a fault strikes."""

from typing import Final

import msgspec

from mock_vllm.errors import ApiError
from mock_vllm.faults.rule import Fault, FaultSet
from mock_vllm.wire.exchange import Exchange

HEADER: Final = b"x-mock-fault"
PEER_HEADER: Final = b"x-return-error"


class Faults:
    """The rules in force and how often each has struck."""

    def __init__(self, rules: list[Fault] | None = None) -> None:
        self.rules: list[Fault] = []
        self.struck: list[int] = []
        self._matched: list[int] = []
        self._share: list[float] = []
        self.replace(rules or [])

    def replace(self, rules: list[Fault]) -> None:
        """Put a new set in force; counts begin again."""
        self.rules = rules
        self.struck = [0] * len(rules)
        self._matched = [0] * len(rules)
        self._share = [0.0] * len(rules)

    def strike(self, exchange: Exchange) -> Fault | None:
        """The fault that hits this request, if any: the header's before the rules', earlier rules before later ones."""
        asked = exchange.headers.get(HEADER)
        if asked is not None:
            return from_header(asked)
        code = exchange.headers.get(PEER_HEADER)
        if code is not None and code.isdigit() and 400 <= int(code) <= 599:
            return Fault("error", status=int(code))
        for index, rule in enumerate(self.rules):
            if self._hits(index, rule, exchange):
                return rule
        return None

    def _hits(self, index: int, rule: Fault, exchange: Exchange) -> bool:
        if rule.path is not None and rule.path != exchange.path:
            return False
        if any(exchange.header(name.lower()) != value for name, value in rule.headers.items()):
            return False
        if (rule.model is not None or rule.stream is not None) and not _body_matches(rule, exchange.body):
            return False
        self._matched[index] += 1
        if self._matched[index] <= rule.after or (rule.times is not None and self.struck[index] >= rule.times):
            return False
        self._share[index] += rule.rate
        if self._share[index] < 1.0 - 1e-9:
            return False
        self._share[index] -= 1.0
        self.struck[index] += 1
        return True


class _Glance(msgspec.Struct):
    model: str | None = None
    stream: bool | None = False


def _body_matches(rule: Fault, body: bytes) -> bool:
    try:
        seen = msgspec.json.decode(body, type=_Glance)
    except msgspec.MsgspecError:
        return False
    return (rule.model is None or rule.model == seen.model) and (
        rule.stream is None or rule.stream == bool(seen.stream)
    )


def from_header(value: bytes) -> Fault:
    """A fault as `kind; name=value; ...`, such as `close; after_tokens=3; reset=true`. Raises ApiError when it is none."""
    kind, *rest = [part.strip() for part in value.decode("latin-1").split(";")]
    fields: dict[str, str] = {"kind": kind}
    for part in rest:
        name, _, text = part.partition("=")
        fields[name.strip()] = text.strip()
    try:
        return msgspec.convert(fields, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(f"X-Mock-Fault is not a fault: {error}", param="X-Mock-Fault") from None


def parse_faults(text: str) -> list[Fault]:
    """Rules from JSON: a list, or an object with `faults`. Raises ValueError with one sentence."""
    try:
        if text.lstrip().startswith("["):
            return msgspec.json.decode(text, type=list[Fault])
        return msgspec.json.decode(text, type=FaultSet).faults
    except msgspec.MsgspecError as error:
        raise ValueError(f"faults must be a JSON list of fault rules: {error}") from None
