"""Pooling models, LoRA adapters, development routes."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.mock_vllm.running import Running


@pytest.fixture(scope="module")
def pooling(launch) -> Running:
    return launch("--runner", "pooling")


def test_row_28_embeddings_need_a_pooling_model(server, pooling):
    refused = server.api.post("/v1/embeddings", json={"input": "x"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        400,
        "The model does not support Embeddings API",
    )
    assert pooling.api.post("/v1/embeddings", json={"input": "x"}).status_code == 200
    assert pooling.api.post("/v1/embeddings", json={"input": "x", "model": "nobody"}).status_code == 404
    assert pooling.api.post("/v1/completions", json={"prompt": "x"}).status_code == 400


def test_a_vector_is_broken_off_in_its_middle(pooling):
    name = uuid.uuid4().hex
    headers = {"X-Mock-Fault": "close", "X-Request-Id": name}
    with pytest.raises(httpx.RemoteProtocolError):
        pooling.api.post("/v1/embeddings", json={"input": "x"}, headers=headers)
    entry = pooling.admin.get("/journal", params={"request_id": name, "wait": "5"}).json()["entries"][0]
    assert (entry["fault"], entry["completion_tokens"]) == ("close", 0)
    assert pooling.api.post("/v1/embeddings", json={"input": "x"}).status_code == 200


@pytest.mark.parametrize(
    "body", [{"input": ""}, {"input": []}, {}, {"input": "x", "dimensions": 0}, {"input": "x", "dimensions": 10**6}]
)
def test_embeddings_of_nothing(pooling, body):
    assert pooling.api.post("/v1/embeddings", json=body).status_code == 400


def test_pooling_and_classify(pooling):
    found = pooling.api.post("/pooling", json={"input": ["a", "b"]}).json()
    assert [(one["index"], one["object"], len(one["data"])) for one in found["data"]] == [
        (0, "pooling", 384),
        (1, "pooling", 384),
    ]
    for one in pooling.api.post("/classify", json={"input": ["good", "bad"]}).json()["data"]:
        assert sum(one["probs"]) == pytest.approx(1)
        assert one["label"] == f"LABEL_{one['probs'].index(max(one['probs']))}"


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
def test_score(pooling, path):
    found = pooling.api.post(path, json={"text_1": "the cat", "text_2": ["the cat", "the dog", "quarks"]}).json()
    scores = [one["score"] for one in found["data"]]
    assert scores[0] == pytest.approx(1)
    assert scores[0] > scores[1] > scores[2] >= 0
    assert found["usage"]["prompt_tokens"] == 2 + 2 + 2 + 2
    assert pooling.api.post(path, json={"text_1": ["a", "b"], "text_2": ["a", "b", "c"]}).status_code == 400


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_rerank(pooling, path):
    body = {"query": "the cat sat", "documents": ["quarks", {"text": "the cat sat"}, "the cat ran"], "top_n": 2}
    found = pooling.api.post(path, json=body).json()
    assert [(one["index"], one["document"]["text"]) for one in found["results"]] == [
        (1, "the cat sat"),
        (2, "the cat ran"),
    ]
    assert pooling.api.post(path, json=body | {"documents": []}).status_code == 400
    assert pooling.api.post(path, json=body | {"documents": [{"image": 1}]}).status_code == 400


def test_row_7_adapters(launch):
    server = launch("--enable-lora", "--lora-modules", "first=/adapters/first", private=True)
    cards = {card["id"]: card for card in server.api.get("/v1/models").json()["data"]}
    assert (cards["first"]["parent"], cards["first"]["root"], cards["first"]["max_model_len"]) == (
        "shown",
        "/adapters/first",
        None,
    )
    body = {"lora_name": "second", "lora_path": "/adapters/second"}
    added = server.api.post("/v1/load_lora_adapter", json=body)
    assert added.text == "Success: LoRA adapter 'second' added successfully."
    again = server.api.post("/v1/load_lora_adapter", json=body)
    assert (again.status_code, again.json()["error"]["type"]) == (400, "InvalidUserInput")
    chat = {"model": "second", "messages": [{"role": "user", "content": "x"}], "max_tokens": 2}
    assert server.api.post("/v1/chat/completions", json=chat).json()["model"] == "second"
    assert server.api.post("/v1/unload_lora_adapter", json={"lora_name": "second"}).status_code == 200
    assert server.api.post("/v1/unload_lora_adapter", json={"lora_name": "second"}).status_code == 404
    assert server.api.post("/v1/chat/completions", json=chat).status_code == 404


def test_adapters_wait_for_a_slot(launch):
    server = launch("--lora-modules", "a=/a", "b=/b", "--max-loras", "1", "--time-to-first-token", "100", private=True)

    def ask(model: str) -> int:
        body = {"model": model, "prompt": "x", "max_tokens": 1}
        return server.api.post("/v1/completions", json=body).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, ["a", "b", "a", "b"])) == [200] * 4
    text = server.api.get("/metrics").text
    assert 'vllm:lora_requests_info{max_lora="1",running_lora_adapters="",waiting_lora_adapters=""} 1.0' in text
    bucket = next(line for line in text.splitlines() if line.startswith("vllm:request_queue_time_seconds_sum"))
    assert float(bucket.rpartition(" ")[2]) >= 0.1


def test_adapters_are_off_by_default(server):
    assert server.api.post("/v1/load_lora_adapter", json={"lora_name": "a", "lora_path": "/a"}).status_code == 404


def test_row_24_sleep(launch):
    server = launch(environment={"VLLM_SERVER_DEV_MODE": "1"}, private=True)
    assert server.api.get("/is_sleeping").json() == {"is_sleeping": False}
    assert server.api.post("/sleep?level=2").status_code == 200
    assert server.api.get("/is_sleeping").json() == {"is_sleeping": True}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.api.post, "/v1/completions", json={"prompt": "x"})
        while 'vllm:num_requests_waiting{engine="0",model_name="shown"} 1.0' not in server.api.get("/metrics").text:
            assert not waiting.done()
        assert server.api.post("/wake_up").status_code == 200
        assert waiting.result(timeout=60).status_code == 200
    assert server.api.post("/sleep?level=9").status_code == 400


def test_row_24_server_info_keeps_secrets(launch):
    server = launch("--api-key", "hidden-key", environment={"VLLM_SERVER_DEV_MODE": "1"})
    for form in ("text", "json"):
        text = server.api.get("/server_info", params={"config_format": form}).text
        assert "max_model_len" in text
        assert "hidden-key" not in text
