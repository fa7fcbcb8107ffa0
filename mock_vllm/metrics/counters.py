"""What the engine did, counted; rendered in Prometheus text with vLLM's names and labels."""

from mock_vllm.engine.sequence import Sequence


class Counters:
    """Counts of one model of one engine."""

    def __init__(self, model: str, engine: str = "0") -> None:
        self._labels = f'engine="{engine}",model_name="{model}"'
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.success: dict[str, int] = {"stop": 0, "length": 0, "abort": 0}

    def observe(self, sequence: Sequence, now: float) -> None:
        """One sequence has ended."""
        del now
        self.prompt_tokens += sequence.prompt_tokens
        self.generation_tokens += sequence.released
        reason = "abort" if sequence.aborted else sequence.finish_reason
        self.success[reason] = self.success.get(reason, 0) + 1

    def render(self) -> str:
        """The exposition text."""
        lines = [
            "# HELP vllm:prompt_tokens_total Number of prefill tokens processed.",
            "# TYPE vllm:prompt_tokens_total counter",
            f"vllm:prompt_tokens_total{{{self._labels}}} {float(self.prompt_tokens)}",
            "# HELP vllm:generation_tokens_total Number of generation tokens processed.",
            "# TYPE vllm:generation_tokens_total counter",
            f"vllm:generation_tokens_total{{{self._labels}}} {float(self.generation_tokens)}",
            "# HELP vllm:request_success_total Count of successfully processed requests.",
            "# TYPE vllm:request_success_total counter",
        ]
        lines += [
            f'vllm:request_success_total{{finished_reason="{reason}",{self._labels}}} {float(count)}'
            for reason, count in self.success.items()
        ]
        return "\n".join(lines) + "\n"
