"""What is done for dropped blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import nas
from nas.compensation import Compensation, Compensator
from nas.compensation.runs import Run, runs_of
from nas.errors import ConfigError, UnsupportedModelError
from nas.supernet import Supernet
from nas.tasks import task_of
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]
MERGE = Compensation(units="none", layers="merge")
FIT = Compensation(units="none", layers="linear_fit")


def without(supernet: Supernet, *dropped: int) -> SubnetConfig:
    """The full model less some blocks."""
    layers = tuple(None if i in dropped else units for i, units in enumerate(supernet.full.layers))
    return SubnetConfig(hidden=supernet.full.hidden, layers=layers)


def copy_block(supernet: Supernet, source: int, target: int) -> None:
    """Give a block the weights of another."""
    blocks = supernet.family.layers_of(supernet.model)
    with torch.no_grad():
        for own, other in zip(blocks[target].parameters(), blocks[source].parameters(), strict=True):
            own.copy_(other)


def block_output(
    supernet: Supernet, config: SubnetConfig, weights: dict[str, torch.Tensor], layer: int
) -> torch.Tensor:
    """What leaves a block at the real tokens of the calibration data."""
    found = []
    with supernet.active(config, weights) as model, torch.no_grad():
        block = supernet.family.layers_of(model)[layer]
        for batch in supernet.calibration:
            handle = block.register_forward_hook(
                lambda _, __, out: found.append((out[0] if isinstance(out, tuple) else out).detach())
            )
            task_of(supernet.task).forward(model, batch.inputs)
            handle.remove()
    masks = [batch.inputs["attention_mask"].bool() for batch in supernet.calibration]
    return torch.cat([x[mask] for x, mask in zip(found, masks, strict=True)]).double()


def test_runs_lie_in_one_stack_after_a_kept_block(make_t5: Callable[[], Supernet]) -> None:
    supernet = make_t5()
    config = without(supernet, 1, 2, 5)
    assert runs_of(config, supernet.shape) == (Run(0, 2), Run(4, 5))


def test_blocks_dropped_at_the_start_have_none_before_them(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    assert runs_of(without(supernet, 0), supernet.shape) == ()


@pytest.mark.parametrize("kind", ["bert", "llama", "gpt2"])
def test_merging_equal_blocks_changes_nothing(kind: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet(kind)
    copy_block(supernet, 0, 1)
    copy_block(supernet, 0, 2)
    slices = supernet.slices(without(supernet, 1, 2))
    weights = nas.compensate(supernet, without(supernet, 1, 2), compensation=MERGE)
    assert weights
    for name, weight in weights.items():
        torch.testing.assert_close(weight, slices[name], rtol=0.0, atol=0.0)


def test_equal_blocks_merge_to_themselves_though_their_units_were_sorted_differently(
    make_supernet: MakeSupernet,
) -> None:
    supernet = make_supernet("llama", num_attention_heads=6, num_key_value_heads=3, head_dim=8)
    copy_block(supernet, 0, 1)
    supernet.rank({"heads": "random", "ffn": "random"}, seed=1)
    supernet.rank({"heads": "random", "ffn": "random"}, seed=2)
    own = dict(supernet.model.named_parameters())
    assert not torch.equal(own["model.layers.0.mlp.up_proj.weight"], own["model.layers.1.mlp.up_proj.weight"])
    slices = supernet.slices(without(supernet, 1))
    weights = nas.compensate(supernet, without(supernet, 1), compensation=MERGE)
    for name, weight in weights.items():
        torch.testing.assert_close(weight, slices[name], rtol=0.0, atol=0.0)


def test_differences_are_to_the_weights_before_merging(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    name = "bert.encoder.layer.{}.output.dense.weight"
    base, one, two = (supernet.model.get_parameter(name.format(i)).detach() for i in range(3))
    weights = nas.compensate(supernet, without(supernet, 1, 2), compensation=MERGE)
    torch.testing.assert_close(weights[name.format(0)], base + (one - base) + (two - base))


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_a_single_dropped_block_takes_the_place_of_the_one_before(
    kind: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet(kind)
    merged, other = without(supernet, 1), without(supernet, 0)
    with supernet.active(merged, nas.compensate(supernet, merged, compensation=MERGE)) as model:
        found = model(**supernet.calibration[0].inputs).logits
    with supernet.active(other) as model:
        expected = model(**supernet.calibration[0].inputs).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_removed_sub_layers_are_not_merged(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    layers = (LayerUnits(heads=0, ffn=9), None, supernet.full.layers[2])
    config = SubnetConfig(hidden=20, layers=layers)
    weights = nas.compensate(supernet, config, compensation=MERGE)
    assert {name.removeprefix("bert.encoder.layer.0.") for name in weights} == {
        "intermediate.dense.weight",
        "intermediate.dense.bias",
        "output.dense.weight",
        "output.dense.bias",
        "output.LayerNorm.weight",
        "output.LayerNorm.bias",
    }
    assert weights["bert.encoder.layer.0.output.dense.weight"].shape == (20, 9)
    supernet.extract(config, weights)  # every size fits


def test_a_ranked_supernet_without_orders_is_refused(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    supernet.ranking = {"ffn": "magnitude_l2"}
    with pytest.raises(ConfigError, match="rank it anew"):
        nas.compensate(supernet, without(supernet, 1), compensation=MERGE)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "gpt_neox", "bert"])
def test_a_linear_fit_comes_nearer_to_what_the_dropped_blocks_gave(
    kind: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet(kind)
    config = without(supernet, 1, 2)
    wanted = block_output(supernet, supernet.full, {}, 2)
    dropped = (block_output(supernet, config, {}, 0) - wanted).square().mean()
    weights = nas.compensate(supernet, config, compensation=FIT)
    fitted = (block_output(supernet, config, weights, 0) - wanted).square().mean()
    assert fitted < 0.9 * dropped


def test_a_fit_undoes_the_factor_before_the_stream(tiny_batch: Callable[..., Any]) -> None:
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 60}
    config = AutoConfig.for_model("granite", vocab_size=40, residual_multiplier=0.25, pad_token_id=1, **sizes)
    supernet = Supernet.from_model(AutoModelForCausalLM.from_config(config), task="causal-lm")
    supernet.calibrate([tiny_batch(8, seed=seed) for seed in range(2)])
    cut = without(supernet, 1)
    wanted = block_output(supernet, supernet.full, {}, 1)
    dropped = (block_output(supernet, cut, {}, 0) - wanted).square().mean()
    weights = nas.compensate(supernet, cut, compensation=FIT)
    # More neurons than tokens: all but what the damping takes is fitted.
    assert (block_output(supernet, cut, weights, 0) - wanted).square().mean() < 0.3 * dropped


def test_blocks_that_add_a_linear_function_of_the_neurons_are_fitted_exactly(
    make_supernet: MakeSupernet,
) -> None:
    """A block without attention that adds a constant: a bias of the projection is all it takes."""
    supernet = make_supernet("gpt2")
    block = supernet.model.transformer.h[1]
    with torch.no_grad():
        for name in ("attn.c_proj", "mlp.c_proj"):
            block.get_submodule(name).weight.zero_()
    config = without(supernet, 1)
    weights = nas.compensate(supernet, config, compensation=FIT)
    with supernet.active(config, weights) as model, torch.no_grad():
        cut = model(**supernet.calibration[0].inputs).logits
    with torch.no_grad():
        full = supernet.model(**supernet.calibration[0].inputs).logits
    torch.testing.assert_close(cut, full, rtol=1e-4, atol=1e-4)


def test_units_and_blocks_are_compensated_together(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("llama")
    kept = LayerUnits(heads=1, queries=3, ffn=12)
    config = SubnetConfig(hidden=24, layers=(kept, None, supernet.full.layers[2]))
    wanted = block_output(supernet, supernet.full, {}, 1)
    errors = {}
    for units in ("none", "lstsq"):
        weights = nas.compensate(
            supernet, config, compensation=Compensation(units=units, layers="linear_fit")
        )
        errors[units] = (block_output(supernet, config, weights, 0) - wanted).square().mean()
    assert errors["lstsq"] < errors["none"]


def test_norms_between_the_projection_and_the_stream_are_refused(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("gemma2")
    with pytest.raises(UnsupportedModelError, match=r"gemma2.*use layers: merge or drop"):
        nas.compensate(supernet, without(supernet, 1), compensation=FIT)


def test_a_run_costs_one_pass_and_is_not_gathered_twice(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("llama")
    calls = []
    supernet.model.register_forward_hook(lambda *_: calls.append(None))
    compensator = Compensator(supernet, FIT)
    compensator.weights(without(supernet, 1))
    batches = len(supernet.calibration)
    assert compensator.passes == len(calls) == 2 * batches + 2  # moments, contributions, two for the probe
    compensator.weights(without(supernet, 1))
    assert len(calls) == 2 * batches + 2
    compensator.weights(without(supernet, 1, 2))
    assert compensator.passes == len(calls) == 3 * batches + 2


def test_a_block_without_its_neurons_takes_nothing_over(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("llama")
    layers = (LayerUnits(heads=1, queries=3, ffn=0), None, supernet.full.layers[2])
    config = SubnetConfig(hidden=24, layers=layers)
    assert nas.compensate(supernet, config, compensation=FIT) == {}
