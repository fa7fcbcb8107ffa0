"""POST /v1/chat/completions/batch: many conversations, one reply with a choice for each."""

import time
from typing import Annotated

import msgspec
from msgspec import Meta

from mock_vllm.answers.answer import Answer
from mock_vllm.app import App
from mock_vllm.endpoints.chat import check_chat, prompt_of, show_of
from mock_vllm.errors import invalid
from mock_vllm.openai.assembly import chat_answer, wish
from mock_vllm.openai.chat import ChatWhole
from mock_vllm.openai.generation import Prompt
from mock_vllm.openai.requests import ChatRequest, Message
from mock_vllm.openai.sampling import check_sampling
from mock_vllm.openai.tools import Choice
from mock_vllm.routes import Route
from mock_vllm.tokens.template import render
from mock_vllm.wire.exchange import Exchange

Conversation = Annotated[list[Message], Meta(min_length=1)]


class BatchRequest(ChatRequest, kw_only=True):
    """A chat request whose `messages` are conversations; neither streams, tools, beams nor several choices."""

    messages: Annotated[list[Conversation], Meta(min_length=1)]  # type: ignore[assignment]  # a list of what it is a list of there
    use_beam_search: bool = False


def check_batch(request: BatchRequest) -> None:
    """Raises ApiError for what a batch cannot do."""
    if request.stream:
        raise invalid("Batch chat completions do not support streaming.", "stream")
    if request.tools:
        raise invalid("Batch chat completions do not support tools.", "tools")
    if request.use_beam_search:
        raise invalid("Batch chat completions do not support beam search.", "use_beam_search")
    if request.n not in (None, 1):
        raise invalid("Batch chat completions require n=1.", "n")


def routes(app: App) -> list[Route]:
    """Batched chat completions."""

    def batch(exchange: Exchange) -> None:
        request = app.decode(exchange, BatchRequest)
        model, name, lora = app.find(request.model)
        app.generative(model)
        check_batch(request)
        check_chat(request)
        limit = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
        check_sampling(request, limit)
        prompts: list[Prompt] = []
        answers: list[list[Answer]] = []
        for messages in request.messages:
            single = msgspec.structs.replace(request, messages=messages)
            rendered = render(single.messages, open_end=request.add_generation_prompt)
            tokens = rendered.count(model.tokenizer)
            model.check_context(tokens, limit)
            asked = wish(single, model, limit, tokens)
            prompts.append(prompt_of(rendered, single, model, tokens))
            answers.append([chat_answer(model, single, Choice("none"), rendered.key(), rendered.contents[-1], asked)])
        identity = app.new_id("chatcmpl-", exchange, request.request_id)
        reply = ChatWhole(exchange, model, name, identity, int(time.time()), show_of(app, request, model))
        seed = model.settings.seed if request.seed is None else request.seed
        reply.begin(prompts, answers, limit, seed=seed, salt=request.cache_salt or "", lora=lora)

    return [Route("POST", "/v1/chat/completions/batch", batch, body=BatchRequest)]
