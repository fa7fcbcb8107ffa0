"""The text of /metrics: every model's engines under one HELP and TYPE line a metric, and the process's own figures."""

import os
import resource
import time
from collections.abc import Iterable
from typing import Final

from mock_vllm.metrics.engine_metrics import EngineMetrics
from mock_vllm.metrics.histogram import number

HELP: Final = {
    "vllm:num_requests_running": ("gauge", "Number of requests in model execution batches."),
    "vllm:num_requests_waiting": ("gauge", "Number of requests waiting to be processed."),
    "vllm:kv_cache_usage_perc": ("gauge", "KV-cache usage. 1 means 100 percent usage."),
    "vllm:prefix_cache_queries_total": ("counter", "Prefix cache queries, in terms of number of queried tokens."),
    "vllm:prefix_cache_hits_total": ("counter", "Prefix cache hits, in terms of number of cached tokens."),
    "vllm:prompt_tokens_total": ("counter", "Number of prefill tokens processed."),
    "vllm:prompt_tokens_cached_total": ("counter", "Number of prefill tokens taken from the prefix cache."),
    "vllm:generation_tokens_total": ("counter", "Number of generation tokens processed."),
    "vllm:num_preemptions_total": ("counter", "Cumulative number of preemption from the engine."),
    "vllm:request_success_total": ("counter", "Count of successfully processed requests."),
    "vllm:cache_config_info": ("gauge", "Information of the LLMEngine CacheConfig"),
    "vllm:lora_requests_info": ("gauge", "Running stats on lora requests."),
    "vllm:iteration_tokens_total": ("histogram", "Histogram of number of tokens per engine_step."),
    "vllm:request_prompt_tokens": ("histogram", "Number of prefill tokens processed."),
    "vllm:request_generation_tokens": ("histogram", "Number of generation tokens processed."),
    "vllm:request_max_num_generation_tokens": (
        "histogram",
        "Histogram of maximum number of requested generation tokens.",
    ),
    "vllm:request_params_max_tokens": ("histogram", "Histogram of the max_tokens request parameter."),
    "vllm:request_params_n": ("histogram", "Histogram of the n request parameter."),
    "vllm:time_to_first_token_seconds": ("histogram", "Histogram of time to first token in seconds."),
    "vllm:inter_token_latency_seconds": ("histogram", "Histogram of inter-token latency in seconds."),
    "vllm:request_time_per_output_token_seconds": (
        "histogram",
        "Histogram of time_per_output_token_seconds per request.",
    ),
    "vllm:e2e_request_latency_seconds": ("histogram", "Histogram of e2e request latency in seconds."),
    "vllm:request_queue_time_seconds": ("histogram", "Histogram of time spent in WAITING phase for request."),
    "vllm:request_inference_time_seconds": ("histogram", "Histogram of time spent in RUNNING phase for request."),
    "vllm:request_prefill_time_seconds": ("histogram", "Histogram of time spent in PREFILL phase for request."),
    "vllm:request_decode_time_seconds": ("histogram", "Histogram of time spent in DECODE phase for request."),
}


def label_text(**labels: object) -> str:
    """Labels in Prometheus text, values escaped."""
    found = []
    for name, value in labels.items():
        text = str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        found.append(f'{name}="{text}"')
    return ",".join(found)


def render(engines: Iterable[tuple[str, EngineMetrics]], lines: Iterable[tuple[str, str, float]]) -> str:
    """The whole text: `engines` as (labels, metrics), `lines` as (name, labels, value)."""
    samples: dict[str, list[str]] = {name: [] for name in HELP}
    for name, labels, value in lines:
        samples.setdefault(name, []).append(f"{name}{{{labels}}} {number(value)}")
    for labels, metrics in engines:
        metrics.fold()
        for name, value in metrics.counters.items():
            samples[name].append(f"{name}{{{labels}}} {number(value)}")
            samples[name].append(f"{name[:-6]}_created{{{labels}}} {metrics.created!r}")
        for reason, count in metrics.success.items():
            samples["vllm:request_success_total"].append(
                f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {number(count)}'
            )
        for name, histogram in metrics.histograms.items():
            samples[name] += histogram.lines(name, labels)
    text: list[str] = []
    for name, rows in samples.items():
        kind, words = HELP.get(name, ("gauge", "Set by --fake-metrics."))
        if rows:
            text += [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *rows]
    return "\n".join(text) + "\n"


STARTED: Final = time.time()


def process_text(figures: Iterable[dict[str, float]]) -> str:
    """`process_*` of all worker processes together, with the names of prometheus_client."""
    found = list(figures)
    rows = (
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            sum(one["resident"] for one in found),
        ),
        ("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", STARTED),
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            sum(one["cpu"] for one in found),
        ),
        ("process_open_fds", "gauge", "Number of open file descriptors.", sum(one["files"] for one in found)),
    )
    return "".join(
        f"# HELP {name} {words}\n# TYPE {name} {kind}\n{name} {number(value)}\n" for name, kind, words, value in rows
    )


def http_text(requests: Iterable[tuple[str, str, int, int]]) -> str:
    """`http_requests_total` of (method, handler, status, count) as the instrumentator of vLLM's API server counts."""
    classes: dict[tuple[str, str, str], int] = {}
    for method, handler, status, count in requests:
        key = (method, handler, f"{status // 100}xx")
        classes[key] = classes.get(key, 0) + count
    text = "# HELP http_requests_total Total number of requests by method, status and handler.\n# TYPE http_requests_total counter\n"
    for (method, handler, shown), count in classes.items():
        text += f"http_requests_total{{{label_text(handler=handler, method=method, status=shown)}}} {number(count)}\n"
    return text


def process_figures() -> dict[str, float]:
    """CPU seconds, resident bytes and open files of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  # read on each scrape
            resident = float(int(statm.read().split()[1]) * resource.getpagesize())
        files = float(len(os.listdir("/proc/self/fd")))  # noqa: PTH208  # the same
    except OSError:
        resident, files = float(usage.ru_maxrss * 1024), 0.0
    return {"cpu": usage.ru_utime + usage.ru_stime, "resident": resident, "files": files}
