"""Settings: every option once, with its type, default, limits and help; flags, environment and file are read from this one list."""

from typing import Annotated

import msgspec
from msgspec import Meta


def _option(text: str, group: str, *, ge: float | None = None, le: float | None = None) -> Meta:
    return Meta(description=text, extra={"group": group}, ge=ge, le=le)


GENERAL = "General"
API = "API server"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one server is told. Field names are flag names with `_` for `-`, and keys of the configuration file."""

    model: Annotated[str, _option("Name of the model to serve.", GENERAL)] = "mock-model"
    served_model_name: Annotated[
        tuple[str, ...],
        _option("Names the model answers to; the first is shown in replies. Default: MODEL.", GENERAL),
    ] = ()
    max_model_len: Annotated[int, _option("Context length in tokens, prompt and answer together.", GENERAL, ge=1)] = (
        32768
    )
    seed: Annotated[int, _option("Seed of answers and of jitter for requests that give none.", GENERAL)] = 0
    answer_tokens: Annotated[
        int, _option("Length of an answer when the request sets no limit (then finish_reason is stop).", GENERAL, ge=0)
    ] = 24
    host: Annotated[str, _option("Address to listen on.", API)] = "127.0.0.1"
    port: Annotated[int, _option("Port to listen on; 0 takes a free one.", API, ge=0, le=65535)] = 8000
    admin_port: Annotated[
        int | None,
        _option("Port for the journal and faults (on the same host); 0 takes a free one. Default: off.", API),
    ] = None
    ready_file: Annotated[str | None, _option("File to write the endpoints to when requests are accepted.", API)] = None
    api_key: Annotated[tuple[str, ...], _option("Keys that /v1 asks for as bearer token; any of them fits.", API)] = ()
    enable_request_id_headers: Annotated[bool, _option("Answer with an X-Request-Id header.", API)] = False
    enable_force_include_usage: Annotated[bool, _option("Send usage with every stream, asked for or not.", API)] = False
    enable_prompt_tokens_details: Annotated[bool, _option("Fill usage.prompt_tokens_details.", API)] = False
    journal_size: Annotated[int, _option("How many journal entries are held.", API, ge=0)] = 20_000

    @property
    def names(self) -> tuple[str, ...]:
        """The names the base model answers to, the shown one first."""
        return self.served_model_name or (self.model,)
