"""One scrape: what every worker process counts, taken at this moment and joined."""

from typing import Any

from mock_vllm.app import App
from mock_vllm.metrics.engine_metrics import EngineMetrics
from mock_vllm.metrics.exposition import http_text, label_text, process_figures, process_text, render


def snapshot(app: App) -> dict[str, Any]:
    """Everything that one process counts, as plain values."""
    models = []
    for model in app.models:
        ranks = []
        for engine, metrics in zip(model.engines, model.metrics, strict=True):
            cache = engine.cache
            ranks.append(
                {
                    "running": engine.running,
                    "waiting": engine.waiting,
                    "usage": 0.0 if cache is None else cache.usage,
                    "queries": 0 if cache is None else cache.queries,
                    "hits": 0 if cache is None else cache.hits,
                    "state": metrics.state(),
                }
            )
        settings = model.settings
        info = [settings.block_size, settings.enable_prefix_caching, settings.num_gpu_blocks_override]
        models.append({"name": model.names[0], "limit": settings.max_model_len, "info": info, "ranks": ranks})
    lines = [line for gauge in app.gauges for line in gauge()]
    requests = [(*key, count) for key, count in app.requests.items()]
    fakes = app.fakes.values(app.clock.now())
    return {"models": models, "lines": lines, "requests": requests, "process": process_figures(), "fakes": fakes}


def exposition(snapshots: list[dict[str, Any]]) -> str:
    """The text of GET /metrics for the snapshots of all worker processes."""
    engines: list[tuple[str, EngineMetrics]] = []
    lines: dict[tuple[str, str], float] = {}
    for place, model in enumerate(snapshots[0]["models"]):
        for rank in range(len(model["ranks"])):
            parts = [one["models"][place]["ranks"][rank] for one in snapshots]
            labels = label_text(engine=rank, model_name=model["name"])
            metrics = EngineMetrics(model["limit"])
            metrics.created = parts[0]["state"]["created"]
            for part in parts:
                metrics.merge(part["state"])
            engines.append((labels, metrics))
            lines["vllm:num_requests_running", labels] = sum(part["running"] for part in parts)
            lines["vllm:num_requests_waiting", labels] = sum(part["waiting"] for part in parts)
            lines["vllm:kv_cache_usage_perc", labels] = sum(part["usage"] for part in parts) / len(parts)
            lines["vllm:prefix_cache_queries_total", labels] = sum(part["queries"] for part in parts)
            lines["vllm:prefix_cache_hits_total", labels] = sum(part["hits"] for part in parts)
            size, caching, blocks = model["info"]
            info = label_text(block_size=size, enable_prefix_caching=caching, engine=rank, num_gpu_blocks=blocks)
            lines["vllm:cache_config_info", info] = 1.0
    for one in snapshots:
        for name, labels, value in one["lines"]:
            lines[name, labels] = lines.get((name, labels), 0.0) + value
    _fake(lines, snapshots[0])
    text = render(engines, [(name, labels, value) for (name, labels), value in lines.items()])
    requests = [tuple(row) for one in snapshots for row in one["requests"]]
    return text + http_text(requests) + process_text(one["process"] for one in snapshots)


def _fake(lines: dict[tuple[str, str], float], one: dict[str, Any]) -> None:
    """Put fake values in the place of true ones, for every engine of every model."""
    for name, value in one["fakes"].items():
        known = [key for key in lines if key[0] == name]
        for key in known or [(name, label_text(engine=0, model_name=one["models"][0]["name"]))]:
            lines[key] = value
