"""The express lane: plain chat requests to a server without delays, answered in one go.

It understands exactly what `Plain` lists; every other request, and every refusal, takes the general path (`endpoints/chat.py`), which
gives the same bytes for the requests that both understand. The lane is worth its code: it makes such a request about five times cheaper.
"""

import zlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from mock_vllm.app import App
from mock_vllm.engine.engine import Engine
from mock_vllm.metrics.engine_metrics import EngineMetrics
from mock_vllm.model import Model
from mock_vllm.openai.stream import DONE, END, SEGMENT
from mock_vllm.openai.usage import StreamOptions
from mock_vllm.tokens.book import SEED_STRIDE, Book
from mock_vllm.tokens.builtin import count_ascii
from mock_vllm.wire.exchange import Exchange

encode = msgspec.json.encode
REMEMBERED: Final = 4096
REMEMBERED_BYTES: Final = 4096
BEFORE_TEXT: Final = b',"choices":[{"index":0,"message":{"role":"assistant","content":"'
AFTER_TEXT: Final = (
    b'","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"%b":null},"logprobs":null,'
    b'"finish_reason":"%b","stop_reason":null,"token_ids":null}],"service_tier":null,"system_fingerprint":null,'
    b'"usage":{%b,"prompt_tokens_details":null},"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}'
)


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


class Mould(msgspec.Struct, gc=False):
    """All that replies of one model, prompt length, limit and kind have in common: worked out once, then filled with id, time and text.

    `figures` is what the metrics count. A whole reply is its id, `object`, the time, `before`, the text and `after`; of a stream `after`
    is the inside of its usage object.
    """

    engine: Engine
    metrics: EngineMetrics
    book: Book
    seed: int
    shown: str
    prompt: int
    length: int
    reason: str
    figures: tuple[int, int, int, str]
    usage_delivered: bool
    before: bytes
    after: bytes


class Express:
    """The lane of one application. It remembers the moulds of recent replies, and the plans of bodies that come again."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._decode = msgspec.json.Decoder(Plain).decode
        self._moulds: dict[tuple[str | None, int, int | None, bool, bool], Mould] = {}
        self._plans: dict[bytes, tuple[Mould, int, bool]] = {}
        self._seen = [0] * REMEMBERED
        self._second, self._created = 0, b""
        self._forced = app.settings.enable_force_include_usage
        self._models: dict[str | None, tuple[Model, bytes]] = {}
        for model in app.models:
            settings = model.settings
            one_engine = len(model.engines) == 1 and model.tokenizer.name == "builtin"
            if one_engine and not settings.reasoning_parser and not model.pooling and settings.stream_interval == 1:
                self._models |= {name: (model, encode(name)) for name in model.names}
        if app.base.names[0] in self._models:
            self._models[None] = self._models[app.base.names[0]]

    def answer(self, exchange: Exchange) -> bool:
        """Answer the request, or leave it as it is and return False."""
        headers = exchange.headers
        if headers.get(b"content-type") != b"application/json" or b"x-data-parallel-rank" in headers:
            return False
        body = exchange.body
        plan = self._plans.get(body)
        if plan is None:
            plan = self._plan(body)
            if plan is None:
                return False
            self._remember(body, plan)
        mould, page, stream = plan
        if not mould.engine.idle:
            return False
        book, end = mould.book, page + mould.length
        app = self._app
        entry = exchange.state
        entry.model = mould.shown
        entry.prompt_tokens = mould.prompt
        entry.completion_tokens = entry.delivered_tokens = mould.length
        entry.finish_reason = mould.reason
        entry.usage_delivered = mould.usage_delivered
        mould.metrics.observe_instant(mould.figures, app.clock.now() - exchange.arrived)
        identity = app.new_id_json(b"chatcmpl-", exchange)
        if stream:
            entry.stream = True
            exchange.start(_events(mould, book.encoded[page:end], identity, int(entry.arrived_at)), end=True)
        else:
            offsets = book.json_offsets
            text = book.json[offsets[page] : offsets[end]]
            second = int(entry.arrived_at)
            if second != self._second:
                self._second, self._created = second, b',"object":"chat.completion","created":%d' % second
            exchange.reply(b"".join((b'{"id":', identity, self._created, mould.before, text, mould.after)))
        return True

    def _plan(self, body: bytes) -> tuple[Mould, int, bool] | None:
        """The mould of the reply to a body, where its text starts, and whether it is a stream; None when it is not for this lane."""
        try:
            request = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        messages = request.messages
        content = "\n".join([message.content for message in messages])
        if not content.isascii():
            return None
        key = content.encode()
        # a newline between messages is a token that no message has; two marks belong to a message and one to the end
        mould = self._mould(request, count_ascii(key) + len(messages) + 2)
        if mould is None:
            return None
        pages = len(mould.book.pieces)
        page = (zlib.crc32(key) + (mould.seed if request.seed is None else request.seed) * SEED_STRIDE) % pages
        return None if page + mould.length > pages else (mould, page, request.stream)

    def _remember(self, body: bytes, plan: tuple[Mould, int, bool]) -> None:
        """Keep the plan of a body that was seen before: most bodies that come once never come again."""
        mark = hash(body)
        place = mark % REMEMBERED
        if self._seen[place] != mark:
            self._seen[place] = mark
        elif len(body) <= REMEMBERED_BYTES:
            if len(self._plans) >= REMEMBERED:
                self._plans.clear()
            self._plans[body] = plan

    def _mould(self, request: Plain, prompt: int) -> Mould | None:
        """What the reply has in common with others; None when the request is not for this lane."""
        options, stream = request.stream_options, request.stream
        if options is not None and (not stream or options.continuous_usage_stats):
            return None
        limit = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
        usage = not stream or self._forced or (options is not None and bool(options.include_usage))
        key = (request.model, prompt, limit, stream, usage)
        mould = self._moulds.get(key)
        if mould is None:
            mould = self._cast(*key)
            if mould is not None:
                if len(self._moulds) >= REMEMBERED:
                    self._moulds.clear()
                self._moulds[key] = mould
        return mould

    def _cast(self, asked: str | None, prompt: int, limit: int | None, stream: bool, usage: bool) -> Mould | None:
        """A new mould."""
        found = self._models.get(asked)
        if found is None:
            return None
        model, name = found
        room = model.settings.max_model_len - prompt
        length, reason = self._length(model, limit, room)
        if length < 1 or length > room or length > SEGMENT:
            return None
        counts = b'"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d' % (prompt, prompt + length, length)
        if stream:
            before, after = name, counts if usage else b""
        else:
            before = b',"model":%b%b' % (name, BEFORE_TEXT)
            after = AFTER_TEXT % (self._app.reasoning_key, reason.encode(), counts)
        return Mould(
            engine=model.engines[0],
            metrics=model.metrics[0],
            book=model.book,
            seed=model.settings.seed,
            shown=asked or model.names[0],
            prompt=prompt,
            length=length,
            reason=reason,
            figures=(prompt, length, limit or room, reason),
            usage_delivered=usage,
            before=before,
            after=after,
        )

    @staticmethod
    def _length(model: Model, limit: int | None, room: int) -> tuple[int, str]:
        """The same as `Wish.length` for a request without min_tokens and ignore_eos."""
        if limit is not None and model.settings.ignore_natural_end:
            return limit, "length"
        most = room if limit is None else limit
        natural = model.settings.answer_tokens
        return (natural, "stop") if natural < most else (most, "length")


def _events(mould: Mould, encoded: list[bytes], identity: bytes, created: int) -> bytes:
    """A whole stream."""
    head = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
    head %= (identity, created, mould.before)
    before = head + b'{"index":0,"delta":{"content":'
    close = b'},"logprobs":null,"finish_reason":null,"token_ids":null}' + END
    return b"".join(
        (
            head,
            b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}\n\n',
            before,
            (close + before).join(encoded),
            b'},"logprobs":null,"finish_reason":"%b","stop_reason":null,"token_ids":null}' % mould.reason.encode(),
            END,
            b'%b],"usage":{%b}}\n\n' % (head, mould.after) if mould.after else b"",
            DONE,
        )
    )
