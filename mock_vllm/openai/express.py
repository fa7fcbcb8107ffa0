"""The express lane: plain chat requests to a server without delays, answered in one go.

It understands exactly what `Plain` lists; every other request, and every refusal, takes the general path (`endpoints/chat.py`), which
gives the same bytes for the requests that both understand. The lane is worth its code: it makes such a request about five times cheaper.
"""

import zlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mock_vllm.app import App
from mock_vllm.model import Model
from mock_vllm.openai.stream import DONE, END, SEGMENT
from mock_vllm.openai.usage import StreamOptions
from mock_vllm.tokens.book import SEED_STRIDE
from mock_vllm.tokens.builtin import count_ascii
from mock_vllm.wire.exchange import Exchange

encode = msgspec.json.encode


class PlainMessage(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A message that is text."""

    role: str
    content: str


class Plain(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A chat request without anything that shapes its answer but its length and its seed."""

    messages: Annotated[list[PlainMessage], Meta(min_length=1)]
    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    n: Literal[1] = 1
    user: str | None = None


class Express:
    """The lane of one application."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._decode = msgspec.json.Decoder(Plain).decode
        self._forced = app.settings.enable_force_include_usage
        self._models: dict[str | None, tuple[Model, bytes]] = {}
        for model in app.models:
            settings = model.settings
            one_engine = len(model.engines) == 1 and model.tokenizer.name == "builtin"
            if (
                one_engine
                and not settings.reasoning_parser
                and settings.runner != "pooling"
                and settings.stream_interval == 1
            ):
                self._models |= {name: (model, encode(name)) for name in model.names}
        if app.base.names[0] in self._models:
            self._models[None] = self._models[app.base.names[0]]

    def answer(self, exchange: Exchange) -> bool:
        """Answer the request, or leave it as it is and return False."""
        request = self._read(exchange)
        found = None if request is None else self._models.get(request.model)
        if request is None or found is None or not found[0].engines[0].idle:
            return False
        model, name = found
        messages = request.messages
        content = messages[0].content if len(messages) == 1 else "\n".join([message.content for message in messages])
        if not content.isascii():
            return False
        key = content.encode()
        # a newline between messages is a token that no message has; two marks belong to a message and one to the end
        prompt = count_ascii(key) + len(messages) + 2
        limit = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
        settings = model.settings
        room = settings.max_model_len - prompt
        length, reason = self._length(model, limit, room)
        book = model.book
        seed = settings.seed if request.seed is None else request.seed
        page = (zlib.crc32(key) + seed * SEED_STRIDE) % len(book.pieces)
        end = page + length
        if length < 1 or length > room or length > SEGMENT or end > len(book.pieces):
            return False
        options = request.stream_options
        usage = b'"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d' % (prompt, prompt + length, length)
        entry = exchange.state
        identity = self._app.new_id_json(b"chatcmpl-", exchange)
        entry.model = request.model or model.names[0]
        entry.prompt_tokens = prompt
        entry.completion_tokens = entry.delivered_tokens = length
        entry.finish_reason = reason
        metrics = model.metrics[0]
        metrics.observe_instant(prompt, length, limit or room, reason, self._app.clock.now() - exchange.arrived)
        if request.stream:
            with_usage = self._forced or (options is not None and bool(options.include_usage))
            entry.stream, entry.usage_delivered = True, with_usage
            head = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":[' % (
                identity,
                entry.arrived_at,
                name,
            )
            exchange.start(
                _events(head, book.encoded[page:end], reason.encode(), usage if with_usage else b""), end=True
            )
            return True
        entry.usage_delivered = True
        text = book.json[book.json_offsets[page] : book.json_offsets[end]]
        exchange.reply(
            b'{"id":%b,"object":"chat.completion","created":%d,"model":%b,"choices":[{"index":0,"message":{"role":"assistant",'
            b'"content":"%b","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"%b":null},'
            b'"logprobs":null,"finish_reason":"%b","stop_reason":null,"token_ids":null}],"service_tier":null,"system_fingerprint":null,'
            b'"usage":{%b,"prompt_tokens_details":null},"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}'
            % (identity, entry.arrived_at, name, text, self._app.reasoning_key, reason.encode(), usage)
        )
        return True

    def _read(self, exchange: Exchange) -> Plain | None:
        """The request, when it is one for this lane."""
        headers = exchange.headers
        if headers.get(b"content-type") != b"application/json" or b"x-data-parallel-rank" in headers:
            return None
        try:
            request = self._decode(exchange.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        options = request.stream_options
        return None if options is not None and (not request.stream or options.continuous_usage_stats) else request

    @staticmethod
    def _length(model: Model, limit: int | None, room: int) -> tuple[int, str]:
        """The same as `Wish.length` for a request without min_tokens and ignore_eos."""
        if limit is not None and model.settings.ignore_natural_end:
            return limit, "length"
        most = room if limit is None else limit
        natural = model.settings.answer_tokens
        return (natural, "stop") if natural < most else (most, "length")


def _events(head: bytes, encoded: list[bytes], reason: bytes, usage: bytes) -> bytes:
    """A whole stream."""
    before = head + b'{"index":0,"delta":{"content":'
    close = b'},"logprobs":null,"finish_reason":null,"token_ids":null}' + END
    return b"".join(
        (
            head,
            b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}\n\n',
            before,
            (close + before).join(encoded),
            b'},"logprobs":null,"finish_reason":"%b","stop_reason":null,"token_ids":null}' % reason,
            END,
            b'%b],"usage":{%b}}\n\n' % (head, usage) if usage else b"",
            DONE,
        )
    )
