"""Which weights a run trains, and what adapters leave behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.training import Budget, Lora, Pass, TrainOptions, train_supernet
from nas.training.lora import adapted
from nas.training.passes import PassRunner
from nas.training.trainable import training_weights
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]
OPTIONS = TrainOptions(batch_size=4, precision="float32", learning_rate=5e-3)
LORA = replace(OPTIONS, trainable="lora", lora=Lora(rank=2))
PERP = replace(OPTIONS, trainable="perp")
KINDS = ("bert", "llama", "gpt2", "gpt_neox")


def _weights(supernet: Supernet) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in supernet.model.state_dict().items()}


def _changed(supernet: Supernet, before: dict[str, torch.Tensor]) -> set[str]:
    return {
        name for name, value in supernet.model.state_dict().items() if not torch.equal(value, before[name])
    }


def _logits(supernet: Supernet, config: SubnetConfig, batch: Any) -> torch.Tensor:
    with torch.no_grad(), supernet.active(config) as model:
        result: torch.Tensor = model(**batch.inputs).logits
    return result


def _disturb(adapters: dict[str, torch.nn.Parameter]) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in adapters.values():
            weight.normal_(0.0, 0.1, generator=generator)


def _small(supernet: Supernet) -> SubnetConfig:
    return supernet.space("uniform").at_fraction(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_weights_reproduce_the_logits_of_all_adapted_sub_networks(
    kind: str, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet, batch = _padded(make_supernet(kind)), tiny_batch()
    configs, names = (supernet.full, _small(supernet)), set(_weights(supernet))
    plain = _logits(supernet, supernet.full, batch)
    with adapted(supernet, Lora(rank=2)) as adapters:
        torch.testing.assert_close(_logits(supernet, supernet.full, batch), plain)  # they start as no change
        _disturb(adapters)
        adapted_logits = [_logits(supernet, config, batch) for config in configs]
    for config, expected in zip(configs, adapted_logits, strict=True):
        torch.testing.assert_close(_logits(supernet, config, batch), expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(plain, adapted_logits[0], atol=1e-2)
    assert set(_weights(supernet)) == names
    assert not hasattr(supernet.model, "peft_config")


def _padded(supernet: Supernet) -> Supernet:
    supernet.model.config.pad_token_id = 0
    return supernet


def test_an_adapted_sub_network_equals_the_extraction_from_the_merged_supernet(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet, batch = make_supernet(), tiny_batch()
    units = LayerUnits(heads=(0, 2), ffn=(1, 2, 5, 9))
    config = SubnetConfig(hidden=tuple(range(1, 17)), layers=(units, None, replace(units, ffn=0)))
    with adapted(supernet, Lora(rank=3)) as adapters:
        _disturb(adapters)
        expected = _logits(supernet, config, batch)
    with torch.no_grad():
        extracted = supernet.extract(config)(**batch.inputs).logits
    torch.testing.assert_close(extracted, expected, atol=1e-5, rtol=1e-5)


def test_gradients_of_adapters_reach_the_kept_slices_alone(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet()
    units = LayerUnits(heads=2, ffn=10)
    config = SubnetConfig(hidden=16, layers=(units, None, units))
    with adapted(supernet, Lora(rank=2)) as adapters:
        _disturb(adapters)
        PassRunner(supernet).run([Pass(config)], [[tiny_batch()]])
        prefix = "bert.encoder.layer.0.intermediate.dense."
        inputs, outputs = (adapters[f"{prefix}lora_{x}.default.weight"].grad for x in "AB")
        dropped = [w.grad for name, w in adapters.items() if ".layer.1." in name]
    assert inputs[:, :16].ne(0).all()
    assert inputs[:, 16:].eq(0).all()
    assert outputs[:10].ne(0).any()
    assert outputs[10:].eq(0).all()
    assert dropped
    assert all(gradient is None for gradient in dropped)


def test_adapters_train_linear_layers_of_blocks_and_the_fresh_head(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet = make_supernet()
    before, count = _weights(supernet), sum(p.numel() for p in supernet.model.parameters())
    train_supernet(supernet, tiny_data(), strategy="random", budget=Budget(passes=4), options=LORA)
    changed = _changed(supernet, before)
    blocks = {f"bert.encoder.layer.{i}.{path}.weight" for i in range(3) for path in _LINEAR}
    assert changed == blocks | {"classifier.weight", "classifier.bias"}
    assert sum(p.numel() for p in supernet.model.parameters()) == count
    assert all(parameter.requires_grad for parameter in supernet.model.parameters())


_LINEAR = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)


def test_the_hash_follows_merged_adapters(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet = make_supernet()
    before = supernet.sha256
    train_supernet(supernet, tiny_data(), strategy="random", budget=Budget(passes=4), options=LORA)
    assert before != supernet.sha256 == Supernet.from_model(supernet.model).sha256


def test_adapters_of_a_supernet_read_from_disk_leave_its_file_alone(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    make_supernet().save(tmp_path / "supernet")
    loaded = Supernet.load(tmp_path / "supernet")
    before = loaded.sha256
    train_supernet(loaded, tiny_data(), strategy="random", budget=Budget(passes=4), options=LORA)
    assert loaded.sha256 != before
    assert Supernet.load(tmp_path / "supernet").sha256 == before


def test_adapters_go_on_the_chosen_layers_alone(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet = make_supernet()
    before = _weights(supernet)
    options = replace(LORA, lora=Lora(rank=2, targets=("query", "pooler")), frozen=("classifier",))
    train_supernet(supernet, tiny_data(), strategy="standard", budget=Budget(passes=4), options=options)
    queries = {f"bert.encoder.layer.{i}.attention.self.query.weight" for i in range(3)}
    assert _changed(supernet, before) == queries | {"bert.pooler.dense.weight"}


@pytest.mark.parametrize("target", ["word_embeddings", "qeury"])
def test_targets_that_are_no_linear_layers_are_refused(target: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    with (
        pytest.raises(ConfigError, match=f"targets: '{target}' is in no linear layer's name"),
        adapted(supernet, Lora(targets=(target,))),
    ):
        pass
    assert all(parameter.requires_grad for parameter in supernet.model.parameters())


def test_an_error_merges_the_training_until_then(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet, batch = make_supernet(), tiny_batch()
    expected = []

    def train() -> None:
        with adapted(supernet, Lora(rank=2)) as adapters:
            _disturb(adapters)
            expected.append(_logits(supernet, supernet.full, batch))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    torch.testing.assert_close(_logits(supernet, supernet.full, batch), expected[0], atol=1e-5, rtol=1e-5)


def test_equal_runs_with_adapters_give_bit_identical_weights(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    hashes = []
    for caller_seed in (1, 2):
        supernet = make_supernet()
        torch.manual_seed(caller_seed)
        state = torch.get_rng_state()
        train_supernet(supernet, tiny_data(), strategy="random", budget=Budget(passes=4), options=LORA)
        assert torch.equal(torch.get_rng_state(), state)
        hashes.append(supernet.sha256)
    assert hashes[0] == hashes[1]


def test_perp_trains_biases_norms_and_the_head(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet = make_supernet()
    before = _weights(supernet)
    train_supernet(supernet, tiny_data(), strategy="standard", budget=Budget(passes=4), options=PERP)
    for name in _changed(supernet, before) ^ set(before):
        assert not name.endswith(".bias") or "key" in name, name  # softmax ignores a key's bias
    for name in _changed(supernet, before):
        assert name.endswith(".bias") or "LayerNorm" in name or name.startswith("classifier"), name


def test_perp_leaves_out_a_head_that_is_tied_to_the_embeddings(make_supernet: MakeSupernet) -> None:
    del make_supernet
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    for is_tied in (True, False):
        config = AutoConfig.for_model("llama", vocab_size=20, tie_word_embeddings=is_tied, **sizes)
        supernet = Supernet.from_model(AutoModelForCausalLM.from_config(config), task="causal-lm")
        with training_weights(supernet, PERP) as weights:
            assert any(name.startswith("lm_head") for name in weights) != is_tied
            assert not any("embed" in name for name in weights)


def test_freezing_all_that_is_trainable_is_refused(make_supernet: MakeSupernet) -> None:
    options = replace(PERP, frozen=("bert", "classifier"))
    with (
        pytest.raises(ConfigError, match="leaves no weight to train"),
        training_weights(make_supernet(), options),
    ):
        pass


def test_without_peft_the_extra_to_install_is_named(
    make_supernet: MakeSupernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"pip install 'subnas\[train\]'"), adapted(make_supernet(), Lora()):
        pass


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0.0}, {"dropout": 1.0}])
def test_a_setting_of_adapters_out_of_range_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^lora: {next(iter(wrong))} is "):
        Lora(**wrong)
