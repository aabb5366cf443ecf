"""Runtimes: each computes what eager torch does, and a shape is exported once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.errors import EvaluationFailedError, TargetUnavailableError
from nas.evaluation import Skeleton, Target, skeleton_of
from nas.evaluation.runtimes import Runtime, check_available, runtime_for, unavailable
from nas.evaluation.runtimes.exported import ExportedRuntime
from nas.evaluation.skeleton import random_model
from nas.families import random_inputs
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

BATCH, TOKENS, STEPS = 3, 9, 4
EXPORTED = ("onnxruntime", "openvino")
#: Sums in another order; logits are of the order of 0.1.
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}
THIN = LayerUnits(heads=1, ffn=12)


def shape_of(supernet: Supernet) -> SubnetConfig:
    """Two layers of three, one of them without attention; few, since exporting takes long."""
    layers = (LayerUnits(heads=2, ffn=24), LayerUnits(heads=0, ffn=20), None)
    return SubnetConfig(hidden=24, layers=layers[: len(supernet.shape.layers)])


@pytest.fixture(scope="module")
def causal() -> Supernet:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=40,
        vocab_size=60,
        max_position_embeddings=64,
    )
    return Supernet.from_model(LlamaForCausalLM(config), task="causal-lm")


MakeRuntime = Callable[..., Runtime]


@pytest.fixture(scope="module")
def runtime_of() -> MakeRuntime:
    def make(supernet: Supernet, **options: Any) -> Runtime:
        target = Target(batch_size=BATCH, sequence_length=TOKENS, **options)
        skeleton: Skeleton = skeleton_of(supernet)

        def build(config: SubnetConfig, dtype: torch.dtype) -> Any:
            return random_model(skeleton, config, dtype=dtype, device="cpu")

        return runtime_for(target, random_inputs(skeleton.module, BATCH, TOKENS), build)

    return make


def first_output(runtime: Runtime, config: SubnetConfig, part: str = "whole") -> np.ndarray:
    runtime.prepare(config, "one")
    calls = runtime.load(config, "one")
    getattr(calls, part)()  # the first call may leave something behind
    return np.asarray(getattr(calls, part)()[0])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch_compile", *EXPORTED])
def test_a_forward_is_that_of_eager_torch(supernet: Supernet, runtime_of: MakeRuntime, backend: str) -> None:
    config = shape_of(supernet)
    expected = first_output(runtime_of(supernet), config)
    assert expected.shape == (BATCH, 2)
    found = first_output(runtime_of(supernet, backend=backend), config)
    np.testing.assert_allclose(found, expected, **TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch_compile", *EXPORTED])
def test_generation_is_that_of_eager_torch(causal: Supernet, runtime_of: MakeRuntime, backend: str) -> None:
    config = SubnetConfig(hidden=24, layers=(LayerUnits(heads=2, queries=1, ffn=24), None))
    expected = first_output(runtime_of(causal, decode_length=STEPS), config)
    assert expected.shape == (BATCH, 1, 60)
    found = first_output(runtime_of(causal, backend=backend, decode_length=STEPS), config)
    np.testing.assert_allclose(found, expected, **TOLERANCE)


def test_generation_step_by_step_is_that_of_the_whole_text_at_once(
    causal: Supernet, runtime_of: MakeRuntime
) -> None:
    config = SubnetConfig.full(causal.shape)
    runtime = runtime_of(causal, decode_length=STEPS)
    logits = first_output(runtime, config)
    model = random_model(skeleton_of(causal), config, dtype=torch.float32, device="cpu")
    text = random_inputs(model, BATCH, TOKENS)["input_ids"]
    with torch.inference_mode():
        for _ in range(STEPS):
            text = torch.cat([text, model(input_ids=text).logits[:, -1:].argmax(-1)], dim=1)
        expected = model(input_ids=text).logits[:, -1:].numpy()
    np.testing.assert_allclose(logits, expected, **TOLERANCE)


def test_a_prompt_gives_the_logits_of_its_last_token_only(causal: Supernet, runtime_of: MakeRuntime) -> None:
    runtime = runtime_of(causal, decode_length=STEPS)
    assert first_output(runtime, SubnetConfig.full(causal.shape), "prefill").shape == (BATCH, 1, 60)


def test_one_forward_has_no_prompt(causal: Supernet, runtime_of: MakeRuntime) -> None:
    assert runtime_of(causal).load(SubnetConfig.full(causal.shape), "full").prefill is None


class Copied(ExportedRuntime):
    """Opens nothing; counts what is exported."""

    file_kind = "onnx"

    def _open(self, path: Path) -> Any:
        return path


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    folders: list[Path] = []

    def write(model: Any, kind: str, inputs: Any, folder: Path) -> None:
        folders.append(folder)
        (folder / "model.onnx").touch()

    monkeypatch.setattr("nas.evaluation.runtimes.exported.write_forward", write)
    return folders


def test_a_shape_is_exported_once(exports: list[Path]) -> None:
    runtime = Copied(Target(), {}, _tiny)
    config = SubnetConfig(hidden=24, layers=(THIN, THIN, None))
    for key in ("a", "b", "a"):
        runtime.prepare(config, key)
    assert [folder.name for folder in exports] == ["a", "b"]
    assert runtime.load(config, "a") == exports[0] / "model.onnx"


def test_exported_files_go_with_their_runtime(exports: list[Path]) -> None:
    runtime = Copied(Target(), {}, _tiny)
    runtime.prepare(SubnetConfig(hidden=24, layers=(THIN,)), "a")
    assert exports[0].exists()
    del runtime
    assert not exports[0].exists()


def test_a_model_that_cannot_be_exported_says_so_and_leaves_nothing_to_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such operator\nat line 3")

    monkeypatch.setattr("nas.evaluation.runtimes.exported.write_forward", refuse)
    runtime = Copied(Target(), {}, _tiny)
    for _ in range(2):
        with pytest.raises(
            EvaluationFailedError, match="cannot be exported for torch: no such operator; use"
        ):
            runtime.prepare(SubnetConfig(hidden=24, layers=(THIN,)), "a")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxruntime" else name)
    target = Target(name="edge", backend="onnxruntime")
    with pytest.raises(
        TargetUnavailableError, match="target edge: onnxruntime cannot run here: onnxruntime not"
    ):
        check_available(target)


def test_compiling_needs_the_compiler_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert unavailable("torch_compile") == (
        "no C++ compiler no-such-compiler: install one, or name it by CXX"
    )


def test_eager_torch_is_always_there() -> None:
    assert unavailable("torch") is None


def _tiny(config: SubnetConfig, dtype: torch.dtype) -> Any:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=50))
