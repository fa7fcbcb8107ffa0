"""One scrape: the values of all models, engines and requests of the application at this moment."""

from mock_vllm.app import App
from mock_vllm.metrics.exposition import label_text, process_figures, process_lines, render
from mock_vllm.metrics.histogram import number


def exposition(app: App) -> str:
    """The text of GET /metrics of a server with one process."""
    engines, lines = [], []
    for model in app.models:
        for rank, engine in enumerate(model.engines):
            labels = label_text(engine=rank, model_name=model.names[0])
            engines.append((labels, model.metrics[rank]))
            lines.append(("vllm:num_requests_running", labels, float(engine.running)))
            lines.append(("vllm:num_requests_waiting", labels, float(engine.waiting)))
            cache = engine.cache
            lines.append(("vllm:kv_cache_usage_perc", labels, 0.0 if cache is None else cache.usage))
            lines.append(("vllm:prefix_cache_queries_total", labels, 0.0 if cache is None else float(cache.queries)))
            lines.append(("vllm:prefix_cache_hits_total", labels, 0.0 if cache is None else float(cache.hits)))
            info = label_text(
                block_size=model.settings.block_size,
                enable_prefix_caching=model.settings.enable_prefix_caching,
                engine=rank,
                num_gpu_blocks=model.settings.num_gpu_blocks_override,
            )
            lines.append(("vllm:cache_config_info", info, 1.0))
    for gauge in app.gauges:
        lines += gauge()
    return render(engines, lines) + http_lines(app.requests) + process_lines([process_figures()])


def http_lines(requests: dict[tuple[str, str, int], int]) -> str:
    """`http_requests_total` as the instrumentator of vLLM's API server counts."""
    classes: dict[tuple[str, str, str], int] = {}
    for (method, handler, status), count in requests.items():
        key = (method, handler, f"{status // 100}xx")
        classes[key] = classes.get(key, 0) + count
    rows = [
        f"http_requests_total{{{label_text(handler=handler, method=method, status=status)}}} {number(count)}"
        for (method, handler, status), count in classes.items()
    ]
    head = "# HELP http_requests_total Total number of requests by method, status and handler.\n# TYPE http_requests_total counter\n"
    return head + "\n".join(rows) + ("\n" if rows else "")
