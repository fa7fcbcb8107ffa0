"""Settings: every option once, with its type, default, limits and help; flags, environment and file are read from this one list."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


def _option(text: str, group: str, *, ge: float | None = None, le: float | None = None) -> Meta:
    return Meta(description=text, extra={"group": group}, ge=ge, le=le)


GENERAL = "General"
API = "API server"
TIME = "Time"
ENGINE = "Engine"
CHAT = "Chat, tools and reasoning"
LORA = "LoRA"
EVENTS = "KV events"
TLS = "TLS"
LIMITS = "Limits"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one server is told. Field names are flag names with `_` for `-`, and keys of the configuration file."""

    model: Annotated[str, _option("Name of the model to serve.", GENERAL)] = "mock-model"
    served_model_name: Annotated[
        tuple[str, ...],
        _option("Names the model answers to; the first is shown in replies. Default: MODEL.", GENERAL),
    ] = ()
    max_model_len: Annotated[int, _option("Context length in tokens, prompt and answer together.", GENERAL, ge=1)] = (
        32768
    )
    seed: Annotated[int, _option("Seed of answers and of jitter for requests that give none.", GENERAL)] = 0
    answer_tokens: Annotated[
        int, _option("Length of an answer when the request sets no limit (then finish_reason is stop).", GENERAL, ge=0)
    ] = 24
    tokenizer: Annotated[
        str,
        _option("builtin, tokenizers:FILE (tokenizer.json), tiktoken:ENCODING, or MODULE:FACTORY.", GENERAL),
    ] = "builtin"
    vllm_version: Annotated[
        str,
        _option(
            "Answer as this vLLM: reasoning_content before 0.12, {'detail': ...} for unknown paths before 0.14.",
            GENERAL,
        ),
    ] = "0.32.0"
    models: Annotated[
        tuple[dict[str, Any], ...],
        _option(
            "More models: mappings of option names (model, served_model_name, max_model_len, times, ...); in the file only.",
            GENERAL,
        ),
    ] = ()
    host: Annotated[str, _option("Address to listen on.", API)] = "127.0.0.1"
    port: Annotated[int, _option("Port to listen on; 0 takes a free one.", API, ge=0, le=65535)] = 8000
    admin_port: Annotated[
        int | None,
        _option("Port for the journal and faults (on the same host); 0 takes a free one. Default: off.", API),
    ] = None
    ready_file: Annotated[str | None, _option("File to write the endpoints to when requests are accepted.", API)] = None
    api_key: Annotated[tuple[str, ...], _option("Keys that /v1 asks for as bearer token; any of them fits.", API)] = ()
    api_key_header: Annotated[
        Literal["authorization", "x-api-key"],
        _option("Header that brings the key: x-api-key as Anthropic's API has it, without Bearer.", API),
    ] = "authorization"
    enable_request_id_headers: Annotated[bool, _option("Answer with an X-Request-Id header.", API)] = False
    enable_force_include_usage: Annotated[bool, _option("Send usage with every stream, asked for or not.", API)] = False
    enable_prompt_tokens_details: Annotated[bool, _option("Fill usage.prompt_tokens_details.", API)] = False
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _option("What is logged.", API)] = "info"
    log_requests: Annotated[bool, _option("Log one line a request, without its prompt.", API)] = False
    log_prompts: Annotated[bool, _option("Let --log-requests show prompts.", API)] = False
    workers: Annotated[
        int, _option("Worker processes that share the port, with one journal and one set of metrics.", API, ge=1)
    ] = 1
    drain_seconds: Annotated[float, _option("How long replies under way may take after SIGTERM.", API, ge=0)] = 1.5
    startup_duration: Annotated[float, _option("Seconds after start in which everything answers 503.", API, ge=0)] = 0.0
    journal_size: Annotated[int, _option("How many journal entries are held.", API, ge=0)] = 20_000

    max_body_mb: Annotated[float, _option("Largest request body in MiB.", LIMITS, ge=0)] = 64.0
    max_head_bytes: Annotated[int, _option("Largest request head in bytes.", LIMITS, ge=256)] = 65536
    timeout_keep_alive: Annotated[float, _option("Seconds an idle connection is kept.", LIMITS, ge=0)] = 65.0
    timeout_request: Annotated[float, _option("Seconds a client may take to send one request.", LIMITS, ge=0)] = 60.0
    time_to_first_token: Annotated[float, _option("Milliseconds to the first token.", TIME, ge=0)] = 0.0
    time_to_first_token_std_dev: Annotated[float, _option("Its standard deviation in milliseconds.", TIME, ge=0)] = 0.0
    inter_token_latency: Annotated[float, _option("Milliseconds between tokens.", TIME, ge=0)] = 0.0
    inter_token_latency_std_dev: Annotated[float, _option("Its standard deviation in milliseconds.", TIME, ge=0)] = 0.0
    latency_distribution: Annotated[
        Literal["normal", "uniform", "lognormal", "exponential"], _option("Shape of the deviations.", TIME)
    ] = "normal"
    prefill_time_per_token: Annotated[
        float, _option("Milliseconds a token of the prompt that is not cached.", TIME, ge=0)
    ] = 0.0
    time_factor_under_load: Annotated[
        float, _option("Factor on all times with every slot in use; 1 when one is.", TIME, ge=1)
    ] = 1.0
    timing_mode: Annotated[
        Literal["precise", "cheap"], _option("precise: timerfd, microseconds. cheap: 1 ms grain.", TIME)
    ] = "precise"
    max_num_seqs: Annotated[int, _option("Sequences that run at once; more wait.", ENGINE, ge=1)] = 256
    stream_interval: Annotated[int, _option("Tokens in one streamed chunk.", ENGINE, ge=1)] = 1
    num_gpu_blocks_override: Annotated[int, _option("Blocks of the KV cache; 0 models none.", ENGINE, ge=0)] = 0
    block_size: Annotated[int, _option("Tokens in a block of the KV cache.", ENGINE, ge=1)] = 16
    enable_prefix_caching: Annotated[bool, _option("Find prompts again by their beginning.", ENGINE)] = True
    data_parallel_size: Annotated[
        int, _option("Engines behind the API (label engine of the metrics).", ENGINE, ge=1, le=64)
    ] = 1
    fake_metrics: Annotated[
        str | None,
        _option("JSON: metric name to a number or constant:V, ramp:A:B:S, oscillate:A:B:S, squarewave:A:B:S.", ENGINE),
    ] = None
    faults: Annotated[
        str | None, _option("JSON: fault rules in force from the start, as PUT /faults takes them.", ENGINE)
    ] = None
    enable_auto_tool_choice: Annotated[bool, _option("Let tool_choice auto call tools.", CHAT)] = True
    reasoning_parser: Annotated[str | None, _option("Any name turns reasoning on.", CHAT)] = None
    reasoning_tokens: Annotated[int, _option("Tokens of reasoning at medium effort.", CHAT, ge=0)] = 16
    ignore_natural_end: Annotated[
        bool,
        _option("Generate exactly max_tokens when the request sets it; otherwise answers end by themselves.", CHAT),
    ] = True
    lora_modules: Annotated[
        tuple[str, ...], _option('Adapters: NAME=PATH or {"name", "path", "base_model_name"}.', LORA)
    ] = ()
    max_loras: Annotated[int, _option("Adapters that can be active at once.", LORA, ge=1)] = 1
    enable_lora: Annotated[bool, _option("Allow adapters.", LORA)] = False
    default_embedding_dimensions: Annotated[int, _option("Dimensions of embeddings.", GENERAL, ge=1)] = 384
    runner: Annotated[
        Literal["auto", "generate", "pooling"],
        _option("pooling serves embeddings, score and rerank; auto: by name.", GENERAL),
    ] = "auto"
    kv_events_endpoint: Annotated[str | None, _option("ZMQ endpoint for KV events, such as tcp://*:5557.", EVENTS)] = (
        None
    )
    kv_events_replay_endpoint: Annotated[str | None, _option("ZMQ endpoint to ask for past events.", EVENTS)] = None
    kv_events_topic: Annotated[str, _option("Topic of KV events.", EVENTS)] = ""
    kv_events_buffer_steps: Annotated[int, _option("Past batches that can be asked for.", EVENTS, ge=0)] = 10_000
    ssl_certfile: Annotated[str | None, _option("Certificate in PEM; turns TLS on.", TLS)] = None
    ssl_keyfile: Annotated[str | None, _option("Its key. Default: in the certificate's file.", TLS)] = None
    ssl_ca_certs: Annotated[str | None, _option("Certificates that client certificates are checked against.", TLS)] = (
        None
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The names the base model answers to, the shown one first."""
        return self.served_model_name or (self.model,)
