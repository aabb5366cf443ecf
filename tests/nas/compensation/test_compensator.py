"""Compensated sub-networks of whole models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn

import nas
from nas.compensation import Compensation, Compensator
from nas.compensation.projections import output_projections
from nas.errors import ConfigError, UnsupportedModelError
from nas.supernet import Supernet
from nas.supernet.rotation import norm_correction
from nas.tasks import task_of
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]
METHODS = ("none", "bias", "mask_scale", "lstsq", "lstsq_bias")


def cut_ffn(supernet: Supernet, layer: int, ffn: Any) -> SubnetConfig:
    """The full model with fewer neurons in one block."""
    layers = list(supernet.full.layers)
    full = layers[layer]
    assert full is not None
    layers[layer] = LayerUnits(heads=full.heads, queries=full.queries, ffn=ffn)
    return SubnetConfig(hidden=supernet.full.hidden, layers=tuple(layers))


def cut_heads(supernet: Supernet, layer: int) -> SubnetConfig:
    """The full model with one query head less a key-value head in one block, or two heads less."""
    layers = list(supernet.full.layers)
    full = supernet.shape.layers[layer]
    queries = max(1, full.queries_per_head - 1)
    heads = full.num_key_value_heads if full.queries_per_head > 1 else (1,)
    layers[layer] = LayerUnits(heads=heads, queries=queries, ffn=full.intermediate_size)
    return SubnetConfig(hidden=supernet.full.hidden, layers=tuple(layers))


def output_error(
    supernet: Supernet, config: SubnetConfig, weights: dict[str, torch.Tensor], path: str
) -> float:
    """Mean squared change of a module's output over the real tokens of the calibration data."""
    full = outputs_of(supernet, supernet.full, {}, path)
    cut = outputs_of(supernet, config, weights, path)
    return float((full - cut).square().sum(dim=-1).mean())


def outputs_of(
    supernet: Supernet, config: SubnetConfig, weights: dict[str, torch.Tensor], path: str
) -> torch.Tensor:
    rows: list[torch.Tensor] = []
    mask: list[torch.Tensor] = []
    with supernet.active(config, weights) as model, torch.no_grad():
        handle = model.get_submodule(path).register_forward_hook(
            lambda _, __, out: rows.append(out.reshape(-1, out.shape[-1])[mask[-1].reshape(-1)])
        )
        for batch in supernet.calibration:
            mask.append(batch.inputs["attention_mask"].bool())
            task_of(supernet.task).forward(model, batch.inputs)
        handle.remove()
    return torch.cat(rows).double()


def logits_of(model: Any, supernet: Supernet, number: int = 0) -> torch.Tensor:
    batch = supernet.calibration[number]
    with torch.no_grad():
        logits: torch.Tensor = task_of(supernet.task).forward(model, batch.inputs).logits
    return logits


def methods_of(supernet: Supernet) -> Sequence[str]:
    has_bias = all(projection.bias is not None for projection in output_projections(supernet))
    return METHODS if has_bias else ("none", "mask_scale", "lstsq")


@pytest.mark.parametrize("kind", ["bert", "gpt2", "opt", "llama", "gpt_neox"])
@pytest.mark.parametrize("part", ["ffn", "attention"])
def test_the_error_of_a_projection_falls_as_the_method_may_change_more(
    kind: str, part: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet(kind)
    config = cut_ffn(supernet, 1, (0, 3, 4, 8, 9, 13, 17)) if part == "ffn" else cut_heads(supernet, 1)
    path = next(p.path for p in output_projections(supernet) if (p.layer, p.part) == (1, part))
    found = {}
    for method in methods_of(supernet):
        weights = nas.compensate(supernet, config, compensation=Compensation(units=method))
        found[method] = output_error(supernet, config, weights, path)
    assert found["none"] > 0
    slack = 1 + 1e-4  # activations are float32
    assert found["lstsq"] <= found["none"] * slack
    assert found["mask_scale"] <= found["none"] * slack
    if "bias" in found:
        assert found["bias"] <= found["none"] * slack
        assert found["lstsq_bias"] <= found["bias"] * slack
    # Damped least squares may differ by the damping, 1 %, from what more freedom would give.
    assert found["lstsq"] <= found["mask_scale"] * 1.02
    if "bias" in found:
        assert found["lstsq_bias"] <= found["lstsq"] * 1.02


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_the_full_model_keeps_its_weights(kind: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet(kind)
    compensation = Compensation(units="lstsq", layers="linear_fit" if kind == "bert" else "merge")
    assert nas.compensate(supernet, supernet.full, compensation=compensation) == {}


def test_a_prefix_is_compensated_as_the_same_index_set(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    compensator = Compensator(supernet, Compensation(units="lstsq_bias"))
    prefix = compensator.weights(cut_ffn(supernet, 1, 7))
    order = torch.arange(20).flip(0)
    names = {"intermediate.dense.weight": 0, "intermediate.dense.bias": 0, "output.dense.weight": 1}
    with torch.no_grad():
        for name, dim in names.items():
            parameter = supernet.model.get_parameter(f"bert.encoder.layer.1.{name}")
            parameter.copy_(parameter.index_select(dim, order))
    last = compensator.weights(cut_ffn(supernet, 1, tuple(range(13, 20))))
    for name, weight in prefix.items():
        other = last[name].flip(1) if weight.ndim == 2 else last[name]
        torch.testing.assert_close(other, weight, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_with_fewer_channels_the_rows_are_those_of_all_channels(
    kind: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet(kind)
    compensator = Compensator(supernet)
    wide = cut_ffn(supernet, 1, 7)
    narrow = SubnetConfig(hidden=tuple(range(2, 20)), layers=wide.layers)
    projection = next(p for p in output_projections(supernet) if (p.layer, p.part) == (1, "ffn"))
    full = projection.oriented(compensator.weights(wide)[projection.weight.name])
    rows = projection.oriented(compensator.weights(narrow)[projection.weight.name])
    torch.testing.assert_close(rows, full[2:20])


def test_only_what_was_cut_is_written(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    weights = nas.compensate(supernet, cut_ffn(supernet, 1, 7))
    assert set(weights) == {"bert.encoder.layer.1.output.dense.weight"}


def test_a_removed_sub_layer_has_nothing_to_compensate(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    assert nas.compensate(supernet, cut_ffn(supernet, 1, 0)) == {}


def test_the_extracted_model_is_the_active_one(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("llama")
    config = SubnetConfig(hidden=20, layers=(*cut_ffn(supernet, 1, 7).layers[:2], None))
    weights = nas.compensate(supernet, config, compensation=Compensation(layers="linear_fit"))
    extracted = logits_of(supernet.extract(config, weights), supernet)
    with supernet.active(config, weights) as model:
        torch.testing.assert_close(logits_of(model, supernet), extracted, rtol=1e-5, atol=1e-5)


def test_statistics_are_gathered_once_for_all_sub_networks(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    calls = count_forwards(supernet.model)
    compensator = Compensator(supernet)
    for width in (3, 7, 12):
        compensator.weights(cut_ffn(supernet, 1, width))
    assert len(calls) == len(supernet.calibration) == compensator.passes
    assert compensator.seconds > 0


def test_statistics_are_gathered_anew_when_weights_have_changed(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    compensator = Compensator(supernet)
    before = compensator.weights(cut_ffn(supernet, 1, 7))
    with torch.no_grad():
        supernet.model.bert.encoder.layer[1].intermediate.dense.weight.mul_(0.5)
    after = compensator.weights(cut_ffn(supernet, 1, 7))
    assert compensator.passes == 2 * len(supernet.calibration)
    (name,) = before
    assert not torch.allclose(before[name], after[name])


def test_no_more_batches_are_read_than_the_examples_need(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    compensator = Compensator(supernet, Compensation(examples=17))
    compensator.weights(cut_ffn(supernet, 1, 7))
    assert compensator.passes == 2  # of 16 rows each


def test_padding_does_not_matter(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet = make_supernet()
    batch = tiny_batch(16)
    garbled = {
        **batch.inputs,
        "input_ids": torch.where(batch.inputs["attention_mask"] == 1, batch.inputs["input_ids"], 7),
    }
    plain = nas.compensate(supernet, cut_ffn(supernet, 1, 7), [batch])
    other = nas.compensate(
        supernet,
        cut_ffn(supernet, 1, 7),
        [type(batch)(inputs=garbled, labels=batch.labels, indices=batch.indices)],
    )
    for name, weight in plain.items():
        torch.testing.assert_close(other[name], weight, rtol=1e-4, atol=1e-5)


def test_half_precision_is_computed_in_full(make_supernet: MakeSupernet) -> None:
    exact, half = make_supernet(), make_supernet(dtype="bfloat16")
    config = cut_ffn(exact, 1, 7)
    (expected,) = nas.compensate(exact, config).values()
    (found,) = nas.compensate(half, config).values()
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)


def test_both_attentions_of_a_decoder_block_are_compensated(make_t5: Callable[[], Supernet]) -> None:
    supernet = make_t5()
    layers = tuple(LayerUnits(heads=2, ffn=20) for _ in supernet.shape.layers)
    weights = nas.compensate(supernet, SubnetConfig(hidden=24, layers=layers))
    assert {name for name in weights if name.startswith("decoder.block.1.")} == {
        "decoder.block.1.layer.0.SelfAttention.o.weight",
        "decoder.block.1.layer.1.EncDecAttention.o.weight",
    }


@pytest.mark.parametrize("method", ["bias", "lstsq_bias"])
def test_a_method_that_needs_biases_is_refused_where_there_are_none(
    method: str, make_supernet: MakeSupernet
) -> None:
    with pytest.raises(UnsupportedModelError, match=r"o_proj of llama .* use lstsq or mask_scale"):
        Compensator(make_supernet("llama"), Compensation(units=method))


def test_without_calibration_data_it_says_how_to_give_some(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    supernet.calibrate([])
    with pytest.raises(ConfigError, match=r"supernet\.calibrate"):
        Compensator(supernet)
    assert Compensator(supernet, Compensation(units="none", layers="merge")).weights(supernet.full) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": "magic"}, "allowed are none, bias, lstsq, lstsq_bias, mask_scale"),
        ({"layers": "magic"}, "allowed are drop, merge, linear_fit"),
        ({"examples": 0}, "at least 1"),
    ],
)
def test_unknown_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Compensation(**options)


def test_hooks_are_gone_afterwards(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    layers = (*cut_ffn(supernet, 1, 7).layers[:2], None)
    config = SubnetConfig(hidden=24, layers=layers)
    nas.compensate(supernet, config, compensation=Compensation(layers="linear_fit"))
    assert not [m for m in supernet.model.modules() if m._forward_hooks or m._forward_pre_hooks]


def count_forwards(model: nn.Module) -> list[None]:
    calls: list[None] = []
    model.register_forward_hook(lambda *_: calls.append(None))
    return calls


def test_variants_share_statistics(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    calls = count_forwards(supernet.model)
    compensator = Compensator(supernet)
    config = cut_ffn(supernet, 1, 7)
    for units in ("lstsq", "bias", "mask_scale"):
        compensator.variant(Compensation(units=units)).weights(config)
    assert len(calls) == len(supernet.calibration) == compensator.passes
    with pytest.raises(ConfigError, match="make a new Compensator"):
        compensator.variant(Compensation(examples=1))


def test_a_rotated_stream_gets_its_norms_corrected_too(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("llama")
    supernet.rank({"hidden": "pca_rotation"}, supernet.calibration)
    config = SubnetConfig(hidden=16, layers=cut_ffn(supernet, 1, 7).layers)
    weights = nas.compensate(supernet, config)
    expected = norm_correction(supernet, config)
    assert expected
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight)
    assert "model.layers.1.mlp.down_proj.weight" in weights
    supernet.extract(config, weights)  # every size fits


def test_too_few_tokens_are_warned_of(make_supernet: MakeSupernet, caplog: pytest.LogCaptureFixture) -> None:
    supernet = make_supernet()
    nas.compensate(supernet, cut_ffn(supernet, 1, 7))
    assert not caplog.records
    batch = supernet.calibration[0]
    supernet.calibrate([type(batch)(inputs={name: rows[:4] for name, rows in batch.inputs.items()})])
    nas.compensate(supernet, cut_ffn(supernet, 1, 7))
    assert "22 calibration tokens for a projection of 24 inputs" in caplog.text
