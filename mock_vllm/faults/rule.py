"""One fault: what goes wrong, for whom, how often."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Kind = Literal[
    "error",
    "slow_headers",
    "stall",
    "close",
    "malformed_sse",
    "truncated_json",
    "malformed_json",
    "wrong_usage",
    "missing_usage",
    "missing_done",
]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule as JSON.

    What: `error` answers `status` (with `message`, `type`); `slow_headers` waits `seconds` before anything is sent; `stall` sends
    nothing more behind token `after_tokens`, for `seconds` or for good; `close` ends the connection there (`reset`: with RST);
    `malformed_sse` puts a broken event there; `truncated_json` and `malformed_json` spoil a whole reply; `wrong_usage` adds `offset` to
    completion_tokens; `missing_usage` and `missing_done` leave these out.

    For whom: `path`, `model` and `headers` (each equal to the request's), `stream` (true or false only).
    How often: `rate` of the matching requests (0.25 is every fourth exactly), behind the first `after` of them, `times` at most.
    """

    kind: Kind
    status: Annotated[int, Meta(ge=400, le=599)] = 500
    message: str | None = None
    type: str | None = None
    seconds: Annotated[float, Meta(ge=0)] | None = None
    after_tokens: Annotated[int, Meta(ge=0)] = 0
    reset: bool = False
    offset: int = 1
    path: str | None = None
    model: str | None = None
    stream: bool | None = None
    headers: dict[str, str] = {}
    rate: Annotated[float, Meta(ge=0, le=1)] = 1.0
    after: Annotated[int, Meta(ge=0)] = 0
    times: Annotated[int, Meta(ge=0)] | None = None


class FaultSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /faults`."""

    faults: list[Fault] = []
