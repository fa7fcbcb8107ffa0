"""KV events as a router reads them, decoded without the mock's own types."""

import uuid

import msgspec
import pytest
import zmq

PROMPT = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture
def published(launch, tmp_path):
    """A server, a subscriber to its events, and a dealer for past ones."""
    names = [f"ipc://{tmp_path}/{uuid.uuid4().hex[:8]}" for _ in range(2)]
    options = (
        "--kv-events-endpoint",
        names[0],
        "--kv-events-replay-endpoint",
        names[1],
        "--kv-events-topic",
        "kv@here@shown",
    )
    server = launch(
        "--num-gpu-blocks-override",
        "8",
        "--block-size",
        "4",
        "--max-model-len",
        "32",
        *options,
        private=True,
        environment={"VLLM_SERVER_DEV_MODE": "1"},
    )
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber, context.socket(zmq.DEALER) as asker:
        for sock, name in ((subscriber, names[0]), (asker, names[1])):
            sock.setsockopt(zmq.RCVTIMEO, 10_000)
            sock.setsockopt(zmq.LINGER, 0)
            sock.connect(name)
        subscriber.subscribe(b"kv@")
        yield server, subscriber, asker


def complete(server, prompt: str) -> None:
    server.api.post("/v1/completions", json={"prompt": prompt, "max_tokens": 1}).raise_for_status()


def test_events_reach_a_subscriber(published):
    server, subscriber, _ = published
    # a subscription takes a moment to arrive: publish until it has
    subscriber.setsockopt(zmq.RCVTIMEO, 200)
    for attempt in range(50):
        complete(server, f"{attempt} {PROMPT}")
        try:
            topic, number, data = subscriber.recv_multipart()
            break
        except zmq.Again:
            continue
    assert topic == b"kv@here@shown"
    assert len(number) == 8
    moment, events, rank = msgspec.msgpack.decode(data)
    assert moment > 1e9
    assert rank == 0
    assert events[0][0] in ("BlockStored", "BlockRemoved")


def test_past_events_tell_the_whole_story(published):
    server, _, asker = published
    ids = server.api.post("/tokenize", json={"prompt": PROMPT}).json()["tokens"]
    complete(server, PROMPT)
    complete(server, PROMPT)
    complete(server, PROMPT + " and more and more")
    server.api.post("/reset_prefix_cache").raise_for_status()
    asker.send_multipart((b"", (0).to_bytes(8, "big")))
    events = []
    while True:
        _, number, data = asker.recv_multipart()
        if number == (-1).to_bytes(8, "big", signed=True):
            break
        events += msgspec.msgpack.decode(data)[1]
    kind, hashes, parent, tokens, size, lora = events[0]
    full = len(ids) // 4
    assert (kind, parent, tokens, size, lora) == ("BlockStored", None, ids[: full * 4], 4, None)
    assert len(hashes) == full
    second = events[1]
    assert (second[0], second[2]) == ("BlockStored", hashes[-1])
    assert events[-1] == ["AllBlocksCleared"]


def test_events_need_a_cache(launch):
    with pytest.raises(AssertionError, match="needs a KV cache"):
        launch("--kv-events-endpoint", "tcp://127.0.0.1:*")
