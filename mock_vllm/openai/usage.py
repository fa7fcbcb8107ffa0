"""vLLM's usage object, and when a stream carries it."""

from dataclasses import dataclass

import msgspec

from mock_vllm.errors import invalid


class StreamOptions(msgspec.Struct):
    """`stream_options` of a request; absent fields mean no usage."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


@dataclass(frozen=True, slots=True)
class UsageRule:
    """`final`: a chunk with usage ends the stream; `continuous`: every chunk carries usage."""

    final: bool
    continuous: bool


RULES = {(final, continuous): UsageRule(final, continuous) for final in (False, True) for continuous in (False, True)}


def usage_rule(options: StreamOptions | None, stream: bool, forced: bool) -> UsageRule:
    """When this request's stream carries usage. Raises ApiError for stream options without a stream."""
    if options is None:
        return RULES[forced, False]
    if not stream:
        raise invalid("Stream options can only be defined when `stream=True`.", "stream_options")
    final = forced or bool(options.include_usage)
    return RULES[final, final and bool(options.continuous_usage_stats)]


@dataclass(slots=True)
class Usage:
    """Counts of a reply; None leaves a detail out."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    def fields(self, *, nulls: bool) -> bytes:
        """The members of the usage object without braces, in vLLM's order; `nulls` shows absent prompt details as null."""
        text = b'"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d' % (
            self.prompt_tokens,
            self.prompt_tokens + self.completion_tokens,
            self.completion_tokens,
        )
        if self.cached_tokens is not None:
            text += b',"prompt_tokens_details":{"cached_tokens":%d}' % self.cached_tokens
        elif nulls:
            text += b',"prompt_tokens_details":null'
        if self.reasoning_tokens is not None:
            text += b',"completion_tokens_details":{"reasoning_tokens":%d}' % self.reasoning_tokens
        return text
