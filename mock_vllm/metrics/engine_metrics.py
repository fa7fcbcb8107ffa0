"""What one engine did, in vLLM's metrics. Observing is one list append; the arithmetic happens in batches."""

import time
from collections import Counter
from typing import Any, Final

from mock_vllm.engine.sequence import Sequence
from mock_vllm.metrics.histogram import FIRST_TOKEN, ITERATION, LATENCY, PARAMETER_N, PER_TOKEN, Histogram, one_two_five

BATCH: Final = 512
REASONS: Final = ("stop", "length", "abort", "error", "tool_calls")


class EngineMetrics:
    """Counters and histograms of one engine of one model; `state` and `merge` carry them between processes."""

    def __init__(self, max_model_len: int) -> None:
        created = time.time()
        tokens = one_two_five(max_model_len)
        self.created = created
        self.counters: dict[str, float] = dict.fromkeys(COUNTERS, 0.0)
        self.success: dict[str, int] = {"stop": 0, "length": 0, "abort": 0, "error": 0, "repetition": 0}
        bounds: dict[str, Any] = {
            "vllm:iteration_tokens_total": ITERATION,
            "vllm:request_prompt_tokens": tokens,
            "vllm:request_generation_tokens": tokens,
            "vllm:request_max_num_generation_tokens": tokens,
            "vllm:request_params_max_tokens": tokens,
            "vllm:request_params_n": PARAMETER_N,
            "vllm:time_to_first_token_seconds": FIRST_TOKEN,
            "vllm:inter_token_latency_seconds": PER_TOKEN,
            "vllm:request_time_per_output_token_seconds": PER_TOKEN,
            "vllm:e2e_request_latency_seconds": LATENCY,
            "vllm:request_queue_time_seconds": LATENCY,
            "vllm:request_inference_time_seconds": LATENCY,
            "vllm:request_prefill_time_seconds": LATENCY,
            "vllm:request_decode_time_seconds": LATENCY,
        }
        self.histograms = {name: Histogram(edges, created) for name, edges in bounds.items()}
        self._pending: list[tuple[Any, ...]] = []
        self._instant: list[tuple[tuple[int, int, int, str], float]] = []

    def observe_instant(self, figures: tuple[int, int, int, str], took: float) -> None:
        """One sequence was answered at once, `took` seconds after its request had come.

        `figures` are the tokens of the prompt and of the answer, the limit of the latter, and why it ended.
        """
        self._instant.append((figures, took))
        if len(self._instant) >= BATCH:
            self._fold_instant()

    def observe(self, sequence: Sequence, now: float) -> None:
        """One sequence has ended, at `now`."""
        reason = "abort" if sequence.aborted else sequence.finish_reason
        self._pending.append(
            (
                sequence.prompt_tokens,
                sequence.released,
                sequence.max_tokens,
                sequence.n,
                reason,
                sequence.arrived,
                sequence.started,
                sequence.first_token_at,
                now,
                sequence.cached_tokens,
            )
        )
        if len(self._pending) >= BATCH:
            self.fold()

    def fold(self) -> None:
        """Do the arithmetic of what was observed since."""
        if self._instant:
            self._fold_instant()
        pending, self._pending = self._pending, []
        histograms, counters = self.histograms, self.counters
        iterations = histograms["vllm:iteration_tokens_total"]
        prompts, generated, wanted, chosen, many = (histograms[name].observe for name in REQUEST_HISTOGRAMS)
        first, gap, per_token, whole, queued, inference, prefill, decode = (
            histograms[name].observe for name in TIME_HISTOGRAMS
        )
        for prompt, tokens, limit, n, reason, arrived, started, first_at, now, cached in pending:
            label = "stop" if reason == "tool_calls" else reason
            self.success[label] = self.success.get(label, 0) + 1
            begun = started or now
            counters["vllm:generation_tokens_total"] += tokens
            queued(begun - arrived)
            whole(now - arrived)
            if started:
                counters["vllm:prompt_tokens_total"] += prompt
                counters["vllm:prompt_tokens_cached_total"] += cached
            if tokens:
                first(first_at - arrived)
                iterations.observe(prompt + 1)
                if tokens > 1:
                    span = (now - first_at) / (tokens - 1)
                    gap(span, tokens - 1)
                    per_token(span)
                    iterations.observe(1, tokens - 1)
            prompts(prompt)
            generated(tokens)
            wanted(tokens)
            many(n)
            if limit:
                chosen(limit)
            inference(now - begun)
            prefill((first_at or now) - begun)
            decode(now - (first_at or now))

    def _fold_instant(self) -> None:
        """Count a batch figure by figure; times that no instant answer takes are zero in bulk."""
        instant, self._instant = self._instant, []
        one, counters = self.histograms, self.counters
        count = len(instant)
        figures, took = zip(*instant, strict=True)
        prompts, tokens, limits, reasons = zip(*figures, strict=True)
        for name, values in zip(REQUEST_HISTOGRAMS, (prompts, tokens, tokens, limits), strict=False):
            one[name].observe_all(values)
        for name in ("vllm:time_to_first_token_seconds", "vllm:e2e_request_latency_seconds"):
            one[name].observe_all(took)
        for reason, times in Counter(reasons).items():
            self.success[reason] += times
        counters["vllm:generation_tokens_total"] += sum(tokens)
        counters["vllm:prompt_tokens_total"] += sum(prompts)
        later = sum(tokens) - count
        one["vllm:iteration_tokens_total"].observe_all([prompt + 1 for prompt in prompts])
        one["vllm:iteration_tokens_total"].observe(1, later)
        one["vllm:inter_token_latency_seconds"].observe(0.0, later)
        one["vllm:request_time_per_output_token_seconds"].observe(0.0, count - tokens.count(1))
        one["vllm:request_params_n"].observe(1, count)
        for name in TIME_HISTOGRAMS[4:]:
            one[name].observe(0.0, count)

    def state(self) -> dict[str, Any]:
        """Everything as plain values."""
        self.fold()
        return {
            "created": self.created,
            "counters": self.counters,
            "success": self.success,
            "histograms": {name: (one.counts, one.total) for name, one in self.histograms.items()},
        }

    def merge(self, state: dict[str, Any]) -> None:
        """Add the state of another process."""
        self.fold()
        self.created = min(self.created, state["created"])
        for name, value in state["counters"].items():
            self.counters[name] += value
        for reason, count in state["success"].items():
            self.success[reason] = self.success.get(reason, 0) + count
        for name, (counts, total) in state["histograms"].items():
            mine = self.histograms[name]
            mine.counts = [one + other for one, other in zip(mine.counts, counts, strict=True)]
            mine.total += total
            mine.created = self.created


REQUEST_HISTOGRAMS: Final = (
    "vllm:request_prompt_tokens",
    "vllm:request_generation_tokens",
    "vllm:request_max_num_generation_tokens",
    "vllm:request_params_max_tokens",
    "vllm:request_params_n",
)
TIME_HISTOGRAMS: Final = (
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:request_time_per_output_token_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:request_queue_time_seconds",
    "vllm:request_inference_time_seconds",
    "vllm:request_prefill_time_seconds",
    "vllm:request_decode_time_seconds",
)
COUNTERS: Final = (
    "vllm:prompt_tokens_total",
    "vllm:prompt_tokens_cached_total",
    "vllm:generation_tokens_total",
    "vllm:num_preemptions_total",
)
