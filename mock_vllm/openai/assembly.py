"""From a request to its answers: limits, seeds, reasoning, tools, structured outputs."""

from mock_vllm.answers.answer import Answer, Call, Part, encode_piece
from mock_vllm.answers.plan import Wish, fixed_answer, text_answer
from mock_vllm.errors import ApiError
from mock_vllm.model import Model
from mock_vllm.openai.constraint import constrained_text
from mock_vllm.openai.requests import ChatRequest, Sampling
from mock_vllm.openai.tools import Choice, calls

EFFORT = {"none": 0.0, "minimal": 0.25, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 3.0, "max": 4.0}


def wish(request: Sampling, model: Model, limit: int | None, prompt_tokens: int, choice: int = 0) -> Wish:
    """What the request says about answer number `choice`. Raises ApiError for token ids that are none."""
    settings = model.settings
    seed = (settings.seed if request.seed is None else request.seed) + choice
    room = settings.max_model_len - prompt_tokens
    stop, bias = request.stop, request.logit_bias
    if not (stop or bias or request.stop_token_ids or request.bad_words or request.allowed_token_ids):
        return Wish(
            limit,
            room,
            settings.answer_tokens,
            settings.ignore_natural_end,
            seed,
            request.min_tokens,
            request.ignore_eos,
        )
    forced, banned = _biased(bias or {}, model)
    only = tuple(request.allowed_token_ids or ()) or forced
    _check_ids(only, model, "allowed_token_ids")
    return Wish(
        limit=limit,
        room=room,
        natural=settings.answer_tokens,
        exact=settings.ignore_natural_end,
        seed=seed,
        min_tokens=request.min_tokens,
        ignore_eos=request.ignore_eos,
        stops=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        stop_ids=frozenset(request.stop_token_ids or ()),
        include_stop=request.include_stop_str_in_output,
        bad_words=tuple(request.bad_words),
        banned_ids=banned,
        only_ids=only,
    )


def _biased(bias: dict[str, float], model: Model) -> tuple[tuple[int, ...], frozenset[int]]:
    """Token ids that a bias of 100 forces and those that one of -100 forbids; anything between changes nothing here."""
    ids: dict[int, float] = {}
    for name, value in bias.items():
        if not name.isdigit():
            raise ApiError(f"Found an invalid token id in logit_bias: {name!r}", param="logit_bias")
        ids[int(name)] = value
    _check_ids(tuple(ids), model, "logit_bias")
    return tuple(one for one, value in ids.items() if value >= 100), frozenset(
        one for one, value in ids.items() if value <= -100
    )


def _check_ids(ids: tuple[int, ...], model: Model, param: str) -> None:
    wrong = [one for one in ids if not 0 <= one < model.tokenizer.vocabulary]
    if wrong:
        raise ApiError(
            f"token_id(s) {wrong} in {param} contain out-of-vocab token ids. Vocabulary size: {model.tokenizer.vocabulary}",
            param=param,
        )


def completion_answer(model: Model, request: Sampling, prompt: bytes, asked: Wish) -> Answer:
    """The answer to one prompt of a text completion."""
    text = constrained_text(request, asked.seed)
    if text is not None:
        return fixed_answer(model.tokenizer.split(text), asked)
    return text_answer(model.book, model.tokenizer, prompt, asked)


def reasoning_length(model: Model, request: ChatRequest) -> int:
    """How many tokens of reasoning precede the answer."""
    if model.settings.reasoning_parser is None:
        return 0
    options = request.chat_template_kwargs or {}
    if options.get("enable_thinking") is False or options.get("thinking") is False:
        return 0
    return round(model.settings.reasoning_tokens * EFFORT[request.reasoning_effort or "medium"])


def chat_answer(
    model: Model, request: ChatRequest, choice: Choice, prompt: bytes, last_text: str, asked: Wish
) -> Answer:
    """The answer to a conversation; the limit covers reasoning and what follows it."""
    thinking = min(reasoning_length(model, request), asked.most)
    made = calls(choice, request, last_text, prompt, asked.seed) if choice.mode != "none" else []
    if not thinking and not made:
        return completion_answer(model, request, prompt, asked)
    rest = _shorter(asked, thinking)
    if made:
        found = _calls_answer(model, made, choice, rest)
    elif rest.most <= 0:
        found = Answer("", [], [], "length", parts=[])
    else:
        found = completion_answer(model, request, prompt, rest)
    return _with_reasoning(model, found, prompt, asked.seed, thinking) if thinking else found


def _shorter(asked: Wish, used: int) -> Wish:
    from dataclasses import replace

    limit = None if asked.limit is None else asked.limit - used
    return replace(asked, limit=limit, room=asked.room - used, min_tokens=max(asked.min_tokens - used, 0))


def _calls_answer(model: Model, made: list[Call], choice: Choice, asked: Wish) -> Answer:
    pieces: list[str] = []
    parts: list[Part] = []
    for call in made:
        begin = len(pieces)
        pieces.append("")
        pieces += model.tokenizer.split(call.arguments)
        parts.append(Part("call", begin, len(pieces), call))
    answer = fixed_answer(pieces, asked)
    answer.parts = [
        Part("call", part.begin, min(part.end, answer.length), part.call)
        for part in parts
        if part.begin < answer.length
    ]
    if answer.finish_reason == "stop" and choice.mode != "named":
        answer.finish_reason = "tool_calls"
    answer.text = ""
    return answer


def _with_reasoning(model: Model, found: Answer, prompt: bytes, seed: int, thinking: int) -> Answer:
    """Put `thinking` tokens of reasoning before an answer."""
    thought = text_answer(
        model.book, model.tokenizer, b"reasoning\0" + prompt, Wish(thinking, thinking, thinking, seed=seed)
    )
    following = found.parts if found.parts is not None else [Part("content", 0, found.length)]
    moved = [Part(part.kind, part.begin + thinking, part.end + thinking, part.call) for part in following]
    return Answer(
        text=found.text,
        pieces=thought.pieces + found.pieces,
        encoded=thought.encoded + found.encoded,
        finish_reason=found.finish_reason,
        stop_reason=found.stop_reason,
        raw=thought.pieces + found.tokens,
        parts=[Part("reasoning", 0, thinking), *moved],
    )


def echoed(answer: Answer, prompt: str, *, alone: bool) -> Answer:
    """The answer with its prompt before it; `alone` shows nothing but the prompt."""
    if not answer.pieces:
        return answer
    pieces = [prompt, *([""] * (answer.length - 1))] if alone else [prompt + answer.pieces[0], *answer.pieces[1:]]
    return Answer(
        text=prompt if alone else prompt + answer.text,
        pieces=pieces,
        encoded=[encode_piece(piece) for piece in pieces],
        finish_reason=answer.finish_reason,
        stop_reason=answer.stop_reason,
        raw=answer.tokens,
        parts=answer.parts,
    )
