"""Options: one precedence, clear refusals, several models, ranks, TLS, tokenizers, the context manager."""

import json
import ssl
import subprocess
import sys

import httpx
import pytest
import trustme

from mock_vllm.cli import parser, resolve
from mock_vllm.testing import MockVLLM

CHAT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}


def settings(arguments: list[str], environment: dict[str, str] | None = None):
    flags = vars(parser().parse_args(["serve", *arguments]))
    flags.pop("command")
    return resolve(flags, environment or {})


def test_flags_before_environment_before_file_before_defaults(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("model: from-file\nmax-num-seqs: 1\nmax-model-len: 11\nserved-model-name: [a, b]\n")
    environment = {"MOCK_VLLM_MAX_NUM_SEQS": "2", "MOCK_VLLM_MAX_MODEL_LEN": "22", "MOCK_VLLM_CONFIG": str(file)}
    found = settings(["--max-model-len", "33"], environment)
    assert (found.model, found.max_num_seqs, found.max_model_len) == ("from-file", 2, 33)
    assert found.served_model_name == ("a", "b")
    assert found.answer_tokens == 24
    assert settings([], {"MOCK_VLLM_API_KEY": "x y"}).api_key == ("x", "y")
    assert settings(["m", "--no-enable-prefix-caching"]).enable_prefix_caching is False


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "many"], "option --port: Expected `int`, got `str`, got 'many'"),
        (["--port", "70000"], "option --port: Expected `int` <= 65535, got '70000'"),
        (["--timing-mode", "sometimes"], "option --timing-mode: Invalid enum value 'sometimes', got 'sometimes'"),
        (["--vllm-version", "new"], "option --vllm-version: expected a version such as 0.32.0, got 'new'"),
        (["--tokenizer", "tokenizers:/none.json"], "option --tokenizer: the file /none.json does not exist"),
        (["--tokenizer", "nothing"], "option --tokenizer: expected builtin, tokenizers:FILE"),
        (["--tokenizer", "no_such_module:thing"], "option --tokenizer: 'no_such_module:thing' cannot be loaded"),
        (["--ssl-certfile", "/none.pem"], "option --ssl-certfile: /none.pem cannot be used"),
        (["--ssl-keyfile", "/none.pem"], "option --ssl-keyfile needs --ssl-certfile"),
        (["--num-gpu-blocks-override", "2"], "option --num-gpu-blocks-override: 2 blocks of 16 tokens hold less than"),
        (["--faults", "[1]"], "faults must be a JSON list of fault rules"),
        (["--fake-metrics", '{"a": "b"}'], "a fake metric is a number"),
        (["--config", "/none.yaml"], "cannot read the configuration file /none.yaml: No such file or directory"),
    ],
)
def test_wrong_options_get_one_sentence(arguments, sentence):
    command = [sys.executable, "-m", "mock_vllm", "serve", "m", "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"mock-vllm: {sentence}")
    assert len(done.stderr.splitlines()) == 1


def test_a_configuration_file_with_unknown_names(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("colour: red\n")
    with pytest.raises(ValueError, match="colour"):
        settings(["--config", str(file)])


def test_a_port_that_is_taken(server):
    port = str(server.api.base_url.port)
    done = subprocess.run(
        [sys.executable, "-m", "mock_vllm", "serve", "m", "--port", port],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == f"mock-vllm: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_flags_that_only_a_real_server_needs_are_accepted():
    found = settings(
        ["m", "--tensor-parallel-size", "2", "--enforce-eager", "--dtype=auto", "--gpu-memory-utilization", "0.9"]
    )
    assert found.model == "m"


def test_several_models_in_one_process(launch, tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text(
        "models:\n- model: second\n  max_model_len: 50\n  answer_tokens: 7\n- model: third\n  served_model_name: [three]\n"
    )
    server = launch("--config", str(file))
    cards = {card["id"]: card["max_model_len"] for card in server.api.get("/v1/models").json()["data"]}
    assert cards == {"shown": 32768, "alias": 32768, "second": 50, "three": 32768}
    body = {"messages": CHAT["messages"], "model": "second"}
    reply = server.api.post("/v1/chat/completions", json=body).json()
    assert (reply["model"], reply["usage"]["completion_tokens"]) == ("second", 7)
    assert server.api.post("/v1/chat/completions", json=body | {"max_tokens": 100}).status_code == 400
    assert 'vllm:generation_tokens_total{engine="0",model_name="second"} 7.0' in server.api.get("/metrics").text


def test_data_parallel_ranks(launch):
    server = launch("--data-parallel-size", "2", "--seed", "3")
    for _ in range(4):
        server.api.post("/v1/chat/completions", json=CHAT).raise_for_status()
    server.api.post("/v1/chat/completions", json=CHAT, headers={"X-data-parallel-rank": "1"}).raise_for_status()
    text = server.api.get("/metrics").text
    assert 'vllm:generation_tokens_total{engine="0",model_name="shown"} 6.0' in text
    assert 'vllm:generation_tokens_total{engine="1",model_name="shown"} 9.0' in text
    refused = server.api.post("/v1/chat/completions", json=CHAT, headers={"X-data-parallel-rank": "2"})
    assert refused.status_code == 400


@pytest.mark.parametrize("workers", ["1", "2"])
def test_tls(launch, tmp_path_factory, workers):
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server = launch("--ssl-certfile", str(directory / "server.pem"), "--workers", workers)
    assert server.api.base_url.scheme == "https"
    trusting = ssl.create_default_context(cafile=directory / "ca.pem")
    with httpx.Client(base_url=server.api.base_url, verify=trusting) as client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
        assert "[DONE]" in client.post("/v1/chat/completions", json=CHAT | {"stream": True}).text


def test_logs_hold_no_prompt(launch):
    server = launch("--log-requests", private=True)
    secret = {"messages": [{"role": "user", "content": "my-secret-prompt"}], "max_tokens": 3}
    server.api.post(
        "/v1/chat/completions", json=secret, headers={"Authorization": "Bearer my-secret-key"}
    ).raise_for_status()
    server.process.terminate()
    said = server.process.communicate(timeout=60)[1].decode()
    line = json.loads(
        next(line for line in said.splitlines() if "chat/completions" in line).partition("{")[1]
        + said.partition("{")[2].splitlines()[0]
    )
    assert (line["status"], line["completion_tokens"]) == (200, 3)
    assert "my-secret" not in said


def test_logs_show_prompts_when_asked_to(launch):
    server = launch("--log-requests", "--log-prompts", private=True)
    server.api.post("/v1/chat/completions", json=CHAT).raise_for_status()
    server.process.terminate()
    assert "Hello" in server.process.communicate(timeout=60)[1].decode()


# --- tokenizers


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> str:
    """A small byte-level BPE tokenizer, trained here."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["</s>"]
    )
    tokenizer.train_from_iterator(["the quick brown fox jumps over the lazy dog"] * 20, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)


@pytest.mark.parametrize("text", ["the quick brown fox", "Grüße, 世界 😀!"])
def test_a_real_tokenizer_counts(launch, trained, text):
    from tokenizers import Tokenizer

    server = launch("--tokenizer", f"tokenizers:{trained}")
    ids = Tokenizer.from_file(trained).encode(text).ids
    found = server.api.post("/tokenize", json={"prompt": text, "return_token_strs": True}).json()
    assert found["tokens"] == ids
    assert "".join(found["token_strs"]) == text
    assert server.api.post("/detokenize", json={"tokens": ids}).json() == {"prompt": text}
    reply = server.api.post(
        "/v1/chat/completions", json=CHAT | {"messages": [{"role": "user", "content": text}], "max_tokens": 40}
    ).json()
    assert reply["usage"]["prompt_tokens"] == len(ids) + 3
    assert reply["usage"]["completion_tokens"] == 40


def test_a_tokenizer_of_ones_own(launch, tmp_path):
    (tmp_path / "own_tokens.py").write_text(
        "from mock_vllm.tokens.builtin import BuiltinTokenizer\n"
        "class Letters(BuiltinTokenizer):\n"
        "    name = 'letters'\n"
        "    def split(self, text): return list(text)\n"
        "    def count(self, text): return len(text)\n"
    )
    server = launch("--tokenizer", "own_tokens:Letters", environment={"PYTHONPATH": str(tmp_path)})
    assert server.api.post("/v1/completions", json={"prompt": "12345 78"}).json()["usage"]["prompt_tokens"] == 8


def test_tiktoken():
    import tiktoken
    from tiktoken import registry

    from mock_vllm.tokens.load import load_tokenizer

    ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b" c": 257}
    encoding = tiktoken.Encoding(
        "small", pat_str=r"\S+|\s+\S+", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 258}
    )
    registry.ENCODINGS["small"] = encoding
    tokenizer = load_tokenizer("tiktoken:small")
    assert tokenizer.encode("ab c") == [256, 257]
    assert tokenizer.split("abé c") == ["ab", "", "é", " c"]
    assert tokenizer.decode(tokenizer.encode("abé c")) == "abé c"


# --- in tests


def test_the_context_manager():
    with MockVLLM("mine", max_num_seqs=2, enable_force_include_usage=True, api_key=["k"]) as server:
        reply = httpx.post(
            f"{server.url}/v1/chat/completions", json=CHAT, headers={"Authorization": "Bearer k", "X-Request-Id": "one"}
        )
        assert reply.json()["model"] == "mine"
        assert [entry["request_id"] for entry in server.journal("one")] == ["one"]
        server.faults({"kind": "error", "status": 503})
        assert (
            httpx.post(
                f"{server.url}/v1/chat/completions", json=CHAT, headers={"Authorization": "Bearer k"}
            ).status_code
            == 503
        )
        server.clear_journal()
        assert server.journal() == []


def test_the_context_manager_says_why_it_failed():
    with pytest.raises(RuntimeError, match="option --max-num-seqs"), MockVLLM("mine", max_num_seqs=-1):
        pass
