"""Sampling parameters that no model could follow are refused, in vLLM's words."""

from collections.abc import Callable
from typing import Any, Final

from mock_vllm.errors import ApiError, invalid
from mock_vllm.openai.requests import Sampling

MAX_LOGPROBS: Final = 20
RANGES: Final[tuple[tuple[str, Callable[[float], bool], str], ...]] = (
    ("temperature", lambda value: value >= 0.0, "non-negative"),
    ("top_p", lambda value: 0.0 < value <= 1.0, "in (0, 1]"),
    ("top_k", lambda value: value >= -1, "0 (disable), or at least 1"),
    ("min_p", lambda value: 0.0 <= value <= 1.0, "in [0, 1]"),
    ("presence_penalty", lambda value: -2.0 <= value <= 2.0, "in [-2, 2]"),
    ("frequency_penalty", lambda value: -2.0 <= value <= 2.0, "in [-2, 2]"),
    ("repetition_penalty", lambda value: value > 0.0, "greater than zero"),
)


def _refuse(name: str, wanted: str, value: object) -> ApiError:
    return ApiError(f"{name} must be {wanted}, got {value}. (parameter={name}, value={value})", param=name)


def check_sampling(request: Sampling, max_tokens: int | None, *, zero_allowed: bool = False) -> None:
    """Raises ApiError for the first parameter out of range."""
    # the common request sets nothing but these two
    if request.n != 1 or (max_tokens is not None and max_tokens < 1):
        _check_counts(request, max_tokens, zero_allowed)
    if request.min_tokens:
        _check_min_tokens(request, max_tokens)
    for name, fits, wanted in RANGES:
        value = getattr(request, name)
        if value is not None and not fits(value):
            raise _refuse(name, wanted, value)
    if request.prompt_logprobs is not None:
        check_prompt_logprobs(request)
    stop = request.stop
    if stop is not None and (stop == "" if isinstance(stop, str) else "" in stop):
        raise ApiError("stop cannot contain an empty string.", param="stop")
    if request.allowed_token_ids is not None and not request.allowed_token_ids:
        raise ApiError("allowed_token_ids is not None and empty!", param="allowed_token_ids")
    if request.bad_words and not all(request.bad_words):
        raise ApiError(
            f"bad_words cannot contain an empty string. Got bad_words={request.bad_words}", param="bad_words"
        )
    check_structured(request)


def _check_counts(request: Sampling, max_tokens: int | None, zero_allowed: bool) -> None:
    if request.n is not None and request.n < 1:
        raise ApiError(f"n must be at least 1, got {request.n}.", param="n")
    if request.n is not None and request.n > 1 and request.temperature is not None and request.temperature < 1e-5:
        raise ApiError(f"n must be 1 when using greedy sampling, got {request.n}.", param="n")
    if max_tokens is not None and max_tokens < 1 and not (zero_allowed and max_tokens == 0):
        raise ApiError(
            f"max_tokens must be at least 1, got {max_tokens}. (parameter=max_tokens, value={max_tokens})",
            param="max_tokens",
        )


def _check_min_tokens(request: Sampling, max_tokens: int | None) -> None:
    least = request.min_tokens
    if least < 0:
        raise ApiError(f"min_tokens must be greater than or equal to 0, got {least}.", param="min_tokens")
    if max_tokens is not None and least > max_tokens:
        raise ApiError(
            f"min_tokens must be less than or equal to max_tokens={max_tokens}, got {least}.", param="min_tokens"
        )


def check_prompt_logprobs(request: Sampling) -> None:
    """Raises ApiError when log probabilities of the prompt are asked for in a way that cannot be."""
    asked = request.prompt_logprobs
    if asked is None:
        return
    if request.stream and (asked > 0 or asked == -1):
        raise invalid("`prompt_logprobs` are not available when `stream=True`.", "prompt_logprobs")
    if asked < 0 and asked != -1:
        raise invalid("`prompt_logprobs` must be a positive value or -1.", "prompt_logprobs", asked)
    check_logprobs_limit("prompt", asked, "prompt_logprobs")


def check_logprobs_limit(what: str, asked: int, param: str) -> None:
    """Raises ApiError when more log probabilities are asked for than vLLM's --max-logprobs allows."""
    if asked > MAX_LOGPROBS:
        raise ApiError(
            f"Requested {what} logprobs of {asked}, which is greater than max allowed: {MAX_LOGPROBS}"
            f" (parameter={param}, value={asked})",
            param=param,
        )


def check_structured(request: Sampling) -> None:
    """Raises ApiError when more than one constraint, or one that this server cannot follow, is set."""
    shape, wanted = request.response_format, request.structured_outputs
    if shape is not None and shape.type == "json_schema" and shape.json_schema is None:
        text = "When response_format type is 'json_schema', the 'json_schema' field must be provided."
        raise invalid(text, "response_format")
    if wanted is None:
        return
    given: list[Any] = [one for one in (wanted.json, wanted.regex, wanted.choice) if one is not None]
    if len(given) > 1:
        raise invalid(
            "You can only use one kind of constraints for structured outputs ('json', 'regex' or 'choice').",
            "structured_outputs",
        )
    if wanted.choice is not None and not wanted.choice:
        raise ApiError("Choice '[]' cannot be empty", param="structured_outputs")
    if wanted.grammar is not None:
        raise ApiError(
            "structured_outputs.grammar is not supported by this server: use json, regex or choice",
            param="structured_outputs",
        )
