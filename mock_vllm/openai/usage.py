"""vLLM's usage object, and when a stream carries it."""

from dataclasses import dataclass

import msgspec

from mock_vllm.errors import ApiError


class StreamOptions(msgspec.Struct):
    """`stream_options` of a request; absent fields mean no usage."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


@dataclass(frozen=True, slots=True)
class UsageRule:
    """`final`: a chunk with usage ends the stream; `continuous`: every chunk carries usage."""

    final: bool
    continuous: bool


def usage_rule(options: StreamOptions | None, stream: bool, forced: bool) -> UsageRule:
    """When this request's stream carries usage. Raises ApiError for stream options without a stream."""
    if options is not None and not stream:
        raise ApiError("Stream options can only be defined when `stream=True`.", param="stream_options")
    final = forced or bool(options and options.include_usage)
    return UsageRule(final=final, continuous=final and bool(options and options.continuous_usage_stats))


def usage_fields(prompt_tokens: int, completion_tokens: int) -> bytes:
    """The counts of a usage object, without its braces."""
    total = prompt_tokens + completion_tokens
    return b'"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d' % (prompt_tokens, total, completion_tokens)
