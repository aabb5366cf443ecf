"""What a worker tells besides the ratio: generation, memory, energy, the state of a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nas.errors import ConfigError, TargetUnavailableError
from nas.evaluation import LatencyEvaluation, LatencyResult, LatencyWorker, Target, skeleton_of
from nas.evaluation.generation_figures import generation_figures
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig
from workers import LatencyProtocol

FAST = LatencyProtocol(warmup_s=0.002, warmup_runs=1, min_pairs=5, max_seconds=0.05, relative_precision=0.5)
DECODE = (
    "time_to_first_token_ms",
    "time_per_output_token_ms",
    "tokens_per_second",
    "batch_tokens_per_second",
)
SMALLER = SubnetConfig(hidden=32, layers=(LayerUnits(heads=1, ffn=8), None))


@pytest.fixture(scope="module")
def causal() -> Supernet:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    config = LlamaConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=40,
        vocab_size=60,
        max_position_embeddings=64,
    )
    return Supernet.from_model(LlamaForCausalLM(config), task="causal-lm")


def worker_of(supernet: Supernet, **options: Any) -> LatencyWorker:
    target = Target(sequence_length=8, batch_size=2, **options)
    return LatencyWorker(LatencyEvaluation(target=target, protocol=FAST), skeleton_of(supernet))


@pytest.fixture(scope="module")
def generated(causal: Supernet) -> Sequence[LatencyResult]:
    """The full model, and a smaller one, each with 24 generated tokens."""
    worker = worker_of(causal, decode_length=24)
    return worker(None), worker(SMALLER.to_json())


def test_generation_tells_the_times_that_its_users_ask_for(generated: Sequence[LatencyResult]) -> None:
    for result in generated:
        assert all(result.statistics[name] > 0 for name in DECODE)


def test_the_prompt_is_compared_with_the_full_models_prompt(generated: Sequence[LatencyResult]) -> None:
    figures = generated[1].statistics
    assert 0 < figures["prefill_ratio_low"] <= figures["prefill_ratio"] <= figures["prefill_ratio_high"]
    assert "prefill_ratio" not in generated[0].statistics


def test_the_whole_call_takes_longer_than_its_prompt(generated: Sequence[LatencyResult]) -> None:
    figures = generated[0].statistics
    assert figures["reference_ms"] > figures["time_to_first_token_ms"]


def test_one_forward_tells_nothing_of_generation(causal: Supernet) -> None:
    worker = worker_of(causal)
    for payload in (None, SMALLER.to_json()):
        assert not {*DECODE, "prefill_ratio"} & set(worker(payload).statistics)


def test_figures_of_generation_follow_from_two_times() -> None:
    target = Target(decode_length=20, batch_size=4)
    assert generation_figures(110.0, 10.0, target) == {
        "time_to_first_token_ms": 10.0,
        "time_per_output_token_ms": 5.0,
        "tokens_per_second": 200.0,
        "batch_tokens_per_second": 800.0,
    }


def test_times_that_noise_has_turned_round_give_no_time_of_a_token() -> None:
    assert generation_figures(9.0, 10.0, Target(decode_length=20)) == {"time_to_first_token_ms": 10.0}


def test_a_model_that_generates_nothing_cannot_be_timed_at_it(supernet: Supernet) -> None:
    with pytest.raises(ConfigError, match="a model for sequence-classification generates no tokens here"):
        worker_of(supernet, decode_length=8)


def test_a_prompt_that_is_known_too_vaguely_makes_the_measurement_unusable() -> None:
    figures = {"ratio": 0.5, "ratio_low": 0.49, "ratio_high": 0.51}
    vague = {"prefill_ratio": 0.5, "prefill_ratio_low": 0.4, "prefill_ratio_high": 0.6}
    assert LatencyResult(statistics=figures, samples=b"", flag="ok", device={}).is_usable
    assert not LatencyResult(statistics=figures | vague, samples=b"", flag="ok", device={}).is_usable


def test_peak_memory_holds_the_weights_at_least(make_supernet: Any) -> None:
    large = make_supernet(vocab_size=200_000)  # 25.6 MB of embeddings
    worker = worker_of(large)
    result = worker(SubnetConfig(hidden=32, layers=(LayerUnits(heads=1, ffn=8), None, None)).to_json())
    if "peak_memory_bytes" not in result.statistics:
        pytest.skip("this system keeps no high-water mark that can be set back")
    # Pages that the process had freed already may hold a little of them.
    assert 0.95 * 25.6e6 < result.statistics["peak_memory_bytes"] < 60e6


def test_energy_is_told_where_there_is_a_counter(causal: Supernet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.evaluation.latency_worker.energy_counter", lambda gpu, is_gpu: Counting())
    assert worker_of(causal)(SMALLER.to_json()).statistics["energy_joules"] > 0


def test_energy_is_not_told_without_a_counter(causal: Supernet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.evaluation.latency_worker.energy_counter", lambda gpu, is_gpu: None)
    assert "energy_joules" not in worker_of(causal)(SMALLER.to_json()).statistics


class Counting:
    """A counter on which every look shows a joule more."""

    def __init__(self) -> None:
        self._joules = 0

    def read(self) -> tuple[int]:
        self._joules += 1
        return (self._joules,)

    def joules_since(self, before: Sequence[int]) -> float:
        return self.read()[0] - before[0]


def test_a_gpus_state_is_kept_from_before_and_after(
    causal: Supernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = iter((1410, 1380))
    gpu = SimpleNamespace(state=lambda: {"sm_clock_mhz": next(clocks)})
    monkeypatch.setattr("nas.evaluation.latency_worker.gpu_of", lambda device: gpu)
    device = worker_of(causal)(SMALLER.to_json()).device
    assert (device["before"], device["after"]) == ({"sm_clock_mhz": 1410}, {"sm_clock_mhz": 1380})


def test_a_processor_has_no_state_to_keep(generated: Sequence[LatencyResult]) -> None:
    assert not {"before", "after"} & set(generated[0].device)


def test_a_runtime_that_is_not_there_is_told_before_workers_start(
    causal: Supernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    evaluation = LatencyEvaluation(target=Target(backend="torch_compile"))
    with pytest.raises(TargetUnavailableError, match="no C\\+\\+ compiler no-such-compiler"):
        evaluation.factory(skeleton_of(causal))


def test_a_runtime_on_another_node_is_not_looked_for_here(
    causal: Supernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    target = Target(backend="torch_compile", labels={"device": "edge"})
    assert callable(LatencyEvaluation(target=target).factory(skeleton_of(causal)))
