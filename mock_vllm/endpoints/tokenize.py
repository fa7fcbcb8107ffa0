"""POST /tokenize, POST /detokenize, GET /tokenizer_info."""

from typing import Any

import msgspec

from mock_vllm.app import App
from mock_vllm.errors import ApiError
from mock_vllm.openai.requests import Message, Tool
from mock_vllm.routes import Route
from mock_vllm.tokens.template import render
from mock_vllm.wire.exchange import Exchange


class TokenizeRequest(msgspec.Struct):
    """A text (`prompt`) or a conversation (`messages`) to be counted. The built-in tokenizer has no special tokens to add."""

    model: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = None
    tools: list[Tool] | None = None
    add_special_tokens: bool = True
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    return_token_strs: bool | None = False


class DetokenizeRequest(msgspec.Struct):
    """Token ids to be read."""

    tokens: list[int]
    model: str | None = None


def routes(app: App) -> list[Route]:
    """Tokens and text."""

    def tokenize(exchange: Exchange) -> None:
        request = app.decode(exchange, TokenizeRequest)
        model, name, _ = app.find(request.model)
        tokenizer = model.tokenizer
        if request.messages is not None:
            if request.continue_final_message and request.add_generation_prompt:
                raise ApiError("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
            rendered = render(request.messages, request.tools, open_end=request.add_generation_prompt)
            ids, pieces = rendered.ids(tokenizer), rendered.pieces(tokenizer)
        elif request.prompt is not None:
            ids = tokenizer.encode(request.prompt)
            pieces = tokenizer.split(request.prompt) if request.return_token_strs else []
        else:
            raise ApiError("Either prompt or messages must be provided.", param="prompt")
        exchange.state.model, exchange.state.prompt_tokens = name, len(ids)
        reply: dict[str, Any] = {"count": len(ids), "max_model_len": model.settings.max_model_len, "tokens": ids}
        reply["token_strs"] = pieces if request.return_token_strs else None
        exchange.reply(msgspec.json.encode(reply))

    def detokenize(exchange: Exchange) -> None:
        request = app.decode(exchange, DetokenizeRequest)
        model, name, _ = app.find(request.model)
        exchange.state.model = name
        try:
            text = model.tokenizer.decode(request.tokens)
        except (ValueError, OverflowError) as error:
            raise ApiError(str(error), param="tokens") from None
        exchange.reply(msgspec.json.encode({"prompt": text}))

    def information(exchange: Exchange) -> None:
        model = app.base
        exchange.reply(
            msgspec.json.encode(
                {
                    "tokenizer_class": type(model.tokenizer).__name__,
                    "name": model.tokenizer.name,
                    "vocab_size": model.tokenizer.vocabulary,
                    "eos_token_id": model.tokenizer.eos,
                    "model_max_length": model.settings.max_model_len,
                }
            )
        )

    return [
        Route("POST", "/tokenize", tokenize, body=TokenizeRequest),
        Route("POST", "/detokenize", detokenize, body=DetokenizeRequest),
        Route("GET", "/tokenizer_info", information),
    ]
