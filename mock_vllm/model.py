"""A served model: its names, its limits, its engines and what is counted of them."""

import itertools
import re
import time
from typing import Final

from mock_vllm.engine.cache import KvCache
from mock_vllm.engine.clock import Clock
from mock_vllm.engine.engine import Engine
from mock_vllm.engine.pace import Timing
from mock_vllm.errors import ApiError
from mock_vllm.metrics.engine_metrics import EngineMetrics
from mock_vllm.settings import Settings
from mock_vllm.tokens.book import Book, open_book
from mock_vllm.tokens.tokenizer import Tokenizer
from mock_vllm.version import Version

POOLING_NAME: Final = re.compile(r"embed|rerank|(^|[/_-])(bge|e5|gte)[_-]")


class Model:
    """One base model. `names[0]` is shown in replies; `engines` are its data-parallel ranks."""

    def __init__(self, settings: Settings, clock: Clock, tokenizer: Tokenizer, version: Version) -> None:
        self.settings = settings
        self.version = version
        self.names = settings.served_model_name or (settings.model,)
        self.created = int(time.time())
        self.tokenizer = tokenizer
        self.book: Book = open_book(tokenizer)
        self.metrics = [EngineMetrics(settings.max_model_len) for _ in range(settings.data_parallel_size)]
        self.engines = [_engine(settings, clock, metrics) for metrics in self.metrics]
        self._turn = itertools.cycle(range(len(self.engines)))

    @property
    def pooling(self) -> bool:
        """Whether it embeds and does not generate: told by --runner, or by its name when that is auto."""
        runner = self.settings.runner
        return runner == "pooling" or (
            runner == "auto" and POOLING_NAME.search(self.settings.model.lower()) is not None
        )

    def engine(self, rank: str | None = None) -> Engine:
        """The engine of a data-parallel rank; without one, the next in turn. Raises ApiError for a rank that does not exist."""
        if len(self.engines) == 1 and rank is None:
            return self.engines[0]
        if rank is None:
            return self.engines[next(self._turn)]
        if not rank.isdigit() or int(rank) >= len(self.engines):
            raise ApiError(f"data_parallel_rank {rank} is out of range [0, {len(self.engines)}).")
        return self.engines[int(rank)]

    def check_context(self, prompt_tokens: int, max_tokens: int | None) -> None:
        """Raises ApiError with vLLM's text when prompt and answer do not fit the context."""
        limit = self.settings.max_model_len
        asked = max_tokens or 0
        if prompt_tokens + max(asked, 1) <= limit:
            return
        raise ApiError(
            f"This model's maximum context length is {limit} tokens. However, you requested {asked} output tokens and your prompt "
            f"contains at least {prompt_tokens} input tokens, for a total of at least {prompt_tokens + asked} tokens. Please reduce the "
            f"length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value={prompt_tokens})",
            param="input_tokens",
        )


def _engine(settings: Settings, clock: Clock, metrics: EngineMetrics) -> Engine:
    cache = None
    room = settings.num_gpu_blocks_override * settings.block_size
    if room and room < settings.max_model_len:
        raise ValueError(
            f"option --num-gpu-blocks-override: {settings.num_gpu_blocks_override} blocks of {settings.block_size} tokens hold less than "
            f"one sequence of --max-model-len {settings.max_model_len}"
        )
    if settings.num_gpu_blocks_override:
        cache = KvCache(
            settings.num_gpu_blocks_override, settings.block_size, prefix_caching=settings.enable_prefix_caching
        )
    return Engine(clock, timing(settings), settings.max_num_seqs, metrics.observe, cache, settings.stream_interval)


def timing(settings: Settings) -> Timing:
    """The time model of these settings."""
    return Timing(
        time_to_first_token=settings.time_to_first_token,
        time_to_first_token_std_dev=settings.time_to_first_token_std_dev,
        inter_token_latency=settings.inter_token_latency,
        inter_token_latency_std_dev=settings.inter_token_latency_std_dev,
        prefill_time_per_token=settings.prefill_time_per_token,
        time_factor_under_load=settings.time_factor_under_load,
        distribution=settings.latency_distribution,
    )
