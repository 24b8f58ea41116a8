"""Folders of Hugging Face Transformers, packaged, and asked over several protocols."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from environments import make_sample, run_in
from modelbuild_runtime.process.models.differences import differs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

WRITER = """
import sys
import torch, transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
tokenizer.train_from_iterator(["film"], trainers.BpeTrainer(special_tokens=["<end>"], initial_alphabet=alphabet))
fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
fast.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
torch.manual_seed(5)
config = transformers.GPT2Config(
    vocab_size=len(fast), n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.4,
    bos_token_id=0, eos_token_id=0,
)
model = transformers.GPT2LMHeadModel(config).eval()
model.save_pretrained(sys.argv[1])
fast.save_pretrained(sys.argv[1])
written = model.generate(**fast("film", return_tensors="pt"), max_new_tokens=12, pad_token_id=0)[0, 1:]
open(sys.argv[2], "wb").write(fast.decode(written, skip_special_tokens=True).encode())
"""

Image = Callable[..., str]


def test_classes_of_texts(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    sample = make_sample("transformers", tmp_path)
    packaged = mbuild("package", sample.path, "-t", image(), "--json").json
    labels = client.images.get(packaged["reference"]).labels
    name = packaged["verification"]["contract"]["model"]["name"]
    read, learnt = json.loads(labels["mbuild.signature"]), json.loads(labels["mbuild.contract"])
    assert (read["inputs"], read["outputs"]) == (learnt["inputs"], learnt["outputs"])
    with running(client, packaged["reference"]) as (container, address):
        status, answer = ask(address, "/predict", sample.request)
        assert (status, differs(answer, sample.expected)) == (200, "")
        alone = [ask(address, "/predict", row)[1] for row in sample.request]
        assert differs(alone, sample.expected) == ""
        texts = [row["text"] for row in sample.request]
        status, answer = ask(address, "/predict", {"instances": texts})
        assert [row["label"] for row in answer["predictions"]] == [row["label"] for row in sample.expected]
        tensor = {"name": "text", "datatype": "BYTES", "shape": [3], "data": texts}
        status, answer = ask(address, f"/v2/models/{name}/infer", {"inputs": [tensor]})
        assert answer["outputs"][0]["data"] == [row["label"] for row in sample.expected]
        for body in ({"text": "great " * 40}, {"text": None}, {"text": 1}, {}):
            status, answer = ask(address, "/predict", body)
            assert (status, answer["field"]) == (400, "text")
        assert b"Traceback" not in container.logs()


def test_text_in_parts(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    done = run_in("transformers", "-c", WRITER, str(tmp_path / "writer"), str(tmp_path / "written"))
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "written").read_bytes().decode()
    packaged = mbuild("package", tmp_path / "writer", "-t", image(), "--json").json
    name = packaged["verification"]["contract"]["model"]["name"]
    settings = {"max_new_tokens": 12}
    with running(client, packaged["reference"]) as (container, address):
        status, answer = ask(address, f"/v2/models/{name}/generate", {"text_input": "film", "parameters": settings})
        assert (status, answer["text_output"]) == (200, written)
        asked = {"text_input": "film", **settings}
        parts = [event["text_output"] for event in events(address, f"/v2/models/{name}/generate_stream", asked)]
        assert "".join(parts) == written
        assert len(parts) > 4
        assert ask(address, "/predict", {"text": "film"})[0] == 200
        messages = [{"role": "user", "content": "film"}]
        asked = {"instances": [{"messages": messages}, {"text": "film"}], "parameters": settings}
        assert ask(address, "/predict", asked) == (200, {"predictions": [written, written]})
        asked = {"messages": messages, "max_tokens": 12}
        assert ask(address, f"/v2/models/{name}/generate", asked)[1]["text_output"] == written
        told = ask(address, "/openapi.json")[1]["components"]["schemas"]
        assert set(told["Record"]["properties"]) == {"text", "messages"}
        assert "temperature" in told["Parameters"]["properties"]
        wrong = {"text_input": "film", "parameters": {"temperature": -1}}
        status, answer = ask(address, f"/v2/models/{name}/generate", wrong)
        assert (status, "'temperature' must be a number from 0" in answer["error"]) == (400, True)
        assert b"Traceback" not in container.logs()


def events(address: str, path: str, body: Any) -> Iterator[Any]:
    """Server-sent events, as JSON."""
    host, _, port = address.partition(":")
    connection = HTTPConnection(host, int(port), timeout=30)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    for line in response.read().decode().splitlines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))
    connection.close()
