"""What every family must hold, on tiny random models: one class for all of `cases/*.yaml`."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
import transformers
import yaml
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig

from nas.elastic import cut
from nas.export.custom_config import custom_config
from nas.export.modelling import modelling_name, modelling_source
from nas.supernet import Supernet
from search_spaces import KINDS, LayerUnits, ModelShape, SubnetConfig, Workload, portability
from search_spaces.portability import ratio_widths
from search_spaces.units import count, indices

CASES: Final[dict[str, dict[str, Any]]] = {
    name: {**table["defaults"], **case}
    for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    for table in [yaml.safe_load(path.read_text(encoding="utf-8"))]
    for name, case in table["cases"].items()
}
SEEDS: Final = range(4)
#: Compared with eager attention. Flex attention compiles its masks for seconds; FlashAttention needs a GPU.
ATTENTION: Final = ("sdpa", pytest.param("flex_attention", marks=pytest.mark.slow))
#: Largest difference of two forms in float64, as a share of the largest output. Softmax, norms and rotary
#: positions of most models compute in float32 inside; a wrong unit moves outputs by a tenth and more.
EXACT: Final = 1e-5
LENGTH: Final = 7

pytestmark = pytest.mark.parametrize("name", CASES)


def make_model(name: str, dtype: str = "float64", attention: str = "eager") -> Any:
    """A tiny model of a case, all its weights random."""
    case = CASES[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = AutoConfig.for_model(case["model_type"], **case["config"])
        auto = getattr(transformers, case["class"])
        model = auto.from_config(config, attn_implementation=attention)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            centre = 1.0 if weight.ndim == 1 and "norm" in weight_name.lower() else 0.0
            weight.normal_(centre, 0.3, generator=generator)
    return model.to(getattr(torch, dtype)).eval()


@functools.cache
def make_supernet(name: str, dtype: str = "float64", attention: str = "eager") -> Supernet:
    """A supernet of a case, for tests that leave its weights alone."""
    return Supernet.from_model(make_model(name, dtype, attention), task=task_of_case(name))


def make_inputs(name: str, model: Any, batch_size: int = 2, length: int = LENGTH) -> dict[str, torch.Tensor]:
    """Random inputs; of a batch of texts the last one is padded."""
    kind, config = CASES[name]["inputs"], model.config
    generator = torch.Generator().manual_seed(2)
    dtype = next(model.parameters()).dtype
    if kind == "image":
        size = (batch_size, config.num_channels, config.image_size, config.image_size)
        return {"pixel_values": torch.randn(size, generator=generator).to(dtype)}
    tokens = torch.randint(5, config.vocab_size, (batch_size, length), generator=generator)
    if kind == "speech":
        size = (batch_size, config.num_mel_bins, 2 * config.max_source_positions)
        features = torch.randn(size, generator=generator).to(dtype)
        return {"input_features": features, "decoder_input_ids": tokens}
    if CASES[name].get("ends_with_eos"):  # where an encoder-decoder classifies
        tokens[:, -1] = config.eos_token_id
    mask = torch.ones(batch_size, length, dtype=torch.long)
    if batch_size > 1:
        padded = slice(0, 2) if CASES[name].get("pads_left") else slice(length - 2, length)
        mask[-1, padded] = 0
    inputs = {"input_ids": tokens, "attention_mask": mask}
    return inputs | ({"decoder_input_ids": tokens.flip(1)} if kind == "text2text" else {})


def forward(name: str, model: Any, **changes: Any) -> torch.Tensor:
    """The first output at tokens that are not padding; of hidden states their inner products."""
    inputs = make_inputs(name, model, **changes)
    with torch.no_grad():
        output: torch.Tensor = model(**inputs)[0]
    if CASES[name]["class"] == "AutoModel":  # channels come in the order of their importance
        return output @ output.mT
    mask = inputs.get("attention_mask")
    if mask is None or output.shape[:2] != mask.shape or "decoder_input_ids" in inputs:
        return output
    return output[mask.bool()]


def elastic(supernet: Supernet, name: str, config: SubnetConfig) -> torch.Tensor:
    """Output of a sub-network that is active."""
    with supernet.active(config) as model:
        return forward(name, model)


def random_subnet(
    shape: ModelShape, seed: int, *, is_plain: bool = False, sub_layers: bool = True, layers: bool = True
) -> SubnetConfig:
    """Random index sets; in a plain one each kept block keeps as many units of each kind."""
    generator = np.random.default_rng(seed)

    def some(full: int, number: int | None = None, least: int = 1) -> tuple[int, ...]:
        size = int(generator.integers(least, full + 1)) if number is None else number
        return tuple(sorted(int(i) for i in generator.permutation(full)[:size]))

    first = shape.layers[0]
    heads = int(generator.integers(1, first.num_key_value_heads + 1))
    queries, ffn = int(generator.integers(1, first.queries_per_head + 1)), int(generator.integers(1, 10))
    hidden = some(shape.hidden_size, least=2)
    if is_plain and not shape.has_head_dim:
        heads -= int(heads * queries * first.head_dim == shape.embedding_size)
        hidden = some(shape.hidden_size, heads * queries * first.head_dim)
    if is_plain and shape.heads_divide_hidden:
        width = heads * queries
        hidden = some(shape.hidden_size, width * int(generator.integers(1, shape.hidden_size // width + 1)))
    if is_plain and shape.ffn_rule != "any":
        ffn = int(generator.choice(ratio_widths(shape, len(hidden))))
    shared = (some(first.num_key_value_heads, heads), some(first.queries_per_head, queries))
    kept: list[LayerUnits | None] = []
    for index, full in enumerate(shape.layers):
        is_first = any(index == stack.start for stack in shape.stacks)
        if layers and not is_first and generator.random() < 0.3:
            kept.append(None)
            continue
        own = LayerUnits(
            heads=some(full.num_key_value_heads, heads if is_plain else None),
            queries=some(full.queries_per_head, queries if is_plain else None),
            ffn=some(full.intermediate_size, ffn if is_plain else None),
        )
        if shape.has_shared_heads:
            own = LayerUnits(heads=shared[0], queries=shared[1], ffn=own.ffn)
        if sub_layers and not is_plain and not is_first and generator.random() < 0.4:
            is_attention = generator.random() < 0.5
            own = LayerUnits(
                heads=0 if is_attention else own.heads,
                queries=0 if is_attention else own.queries,
                ffn=own.ffn if is_attention else 0,
            )
        kept.append(own)
    return SubnetConfig(hidden=hidden, layers=tuple(kept)).canonical(shape)


def assert_equal(found: torch.Tensor, expected: torch.Tensor, tolerance: float = EXACT) -> None:
    """Outputs equal to within a share of the largest one."""
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, atol=tolerance * scale, rtol=0)


class TestConformance:
    """One family, one set of rules."""

    def test_sorting_units_leaves_the_function_unchanged(self, name: str) -> None:
        supernet = Supernet.from_model(make_model(name), task=task_of_case(name))
        before, weights = forward(name, supernet.model), supernet.sha256
        supernet.rank("random", seed=3)
        assert supernet.sha256 != weights
        assert_equal(forward(name, supernet.model), before)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_slicing_heads_and_neurons_equals_masking_them(self, seed: int, name: str) -> None:
        supernet = make_supernet(name)
        drawn = random_subnet(supernet.shape, seed, sub_layers=False, layers=False)
        config = SubnetConfig(hidden=supernet.shape.hidden_size, layers=drawn.layers)
        handles = [
            module.register_forward_pre_hook(lambda _, args, mask=mask: (args[0] * mask, *args[1:]))
            for module, mask in _masks(supernet, config)
        ]
        try:
            masked = forward(name, supernet.model)
        finally:
            for handle in handles:
                handle.remove()
        assert_equal(elastic(supernet, name, config), masked)

    def test_dropping_sub_layers_equals_silencing_them(self, name: str) -> None:
        if CASES[name].get("is_post_norm"):
            pytest.skip("a removed sub-layer takes its norm along")
        supernet = make_supernet(name)
        full = supernet.full.layers[-1]
        assert full is not None
        last = supernet.shape.num_hidden_layers - 1
        outputs = supernet.family.block_of(supernet.shape, last)
        block = supernet.family.layers_of(supernet.model)[last]
        for paths, units in (
            (outputs.attention_outputs, LayerUnits(heads=0, queries=0, ffn=full.ffn)),
            ((outputs.ffn_output,), LayerUnits(heads=full.heads, queries=full.queries, ffn=0)),
        ):
            config = SubnetConfig(
                hidden=supernet.shape.hidden_size, layers=(*supernet.full.layers[:-1], units)
            )
            modules = [block.get_submodule(path) for path in paths]
            handles = [m.register_forward_hook(lambda _, __, output: output * 0) for m in modules]
            try:
                silenced = forward(name, supernet.model)
            finally:
                for handle in handles:
                    handle.remove()
            found = elastic(supernet, name, config)
            assert_equal(found, silenced)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_the_elastic_forward_equals_the_extracted_model(self, seed: int, name: str) -> None:
        supernet = make_supernet(name)
        config = random_subnet(supernet.shape, seed)
        expected = elastic(supernet, name, config)
        small = supernet.extract(config)
        assert_equal(forward(name, small), expected)
        assert torch.equal(elastic(supernet, name, config), expected)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_plain_sub_network_loads_with_the_stock_class(
        self, seed: int, name: str, tmp_path: Path
    ) -> None:
        supernet = make_supernet(name)
        config = random_subnet(supernet.shape, seed, is_plain=True)
        assert portability(supernet.shape, config) == "plain"
        supernet.extract(config).save_pretrained(tmp_path)
        auto = getattr(transformers, CASES[name]["class"])
        loaded, info = auto.from_pretrained(
            tmp_path, dtype=torch.float64, attn_implementation="eager", output_loading_info=True
        )
        assert not any(info.values()), info
        expected = elastic(supernet, name, config)
        assert_equal(forward(name, loaded.eval()), expected)

    @pytest.mark.parametrize("seed", SEEDS[:2])
    def test_any_sub_network_loads_with_its_modelling_file(
        self, seed: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if CASES[name].get("has_no_task"):
            pytest.skip("no task of ours is for its class")
        monkeypatch.setattr(sys, "path", [*sys.path])  # transformers adds its cache
        monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
        supernet = make_supernet(name)
        shape, model = supernet.shape, supernet.model
        config = random_subnet(shape, seed)
        supernet.extract(config).save_pretrained(tmp_path, save_original_format=False)
        record = custom_config(model, shape, supernet.family, config, supernet.task)
        (tmp_path / "config.json").write_text(json.dumps(record), encoding="utf-8")
        source = modelling_source(model, shape, supernet.family)
        (tmp_path / modelling_name(shape.model_type)).write_text(source, encoding="utf-8")
        loaded, info = getattr(transformers, CASES[name]["class"]).from_pretrained(
            tmp_path,
            dtype=torch.float64,
            attn_implementation="eager",
            trust_remote_code=True,
            output_loading_info=True,
        )
        assert not any(info.values()), info
        assert_equal(forward(name, loaded.eval()), elastic(supernet, name, config))

    def test_a_saved_supernet_is_read_back_with_its_ranking(self, name: str, tmp_path: Path) -> None:
        if CASES[name].get("has_no_task"):
            pytest.skip("no task of ours is for its class")
        supernet = Supernet.from_model(make_model(name, "float32"), task=task_of_case(name))
        supernet.rank("random", seed=3)
        loaded = Supernet.load(supernet.save(tmp_path / "supernet"))
        assert (loaded.shape, loaded.layer_order) == (supernet.shape, supernet.layer_order)
        config = random_subnet(supernet.shape, 0)
        assert_equal(elastic(loaded, name, config), elastic(supernet, name, config))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_gradients_reach_exactly_the_kept_slices(self, seed: int, name: str) -> None:
        supernet = Supernet.from_model(make_model(name), task=task_of_case(name))
        supernet.model.requires_grad_(requires_grad=True)
        config = random_subnet(supernet.shape, seed)
        with supernet.active(config) as model:
            output = model(**make_inputs(name, model))[0]
            (output * torch.randn(output.shape, generator=torch.Generator().manual_seed(5))).sum().backward()
        reached = 0
        for layout in supernet.shape.tensors:
            weight = supernet.model.get_parameter(layout.name)
            kept = _kept_elements(weight, layout, config, supernet.shape)
            if weight.grad is not None:
                outside = weight.grad.detach().clone().reshape(-1)
                reached += int(outside.count_nonzero())
                outside[kept] = 0
                assert not outside.any(), layout.name
            if len(kept) and weight.ndim > 1 and layout.tokens == "all":
                assert weight.grad is not None, layout.name
                assert weight.grad.reshape(-1)[kept].any(), layout.name
        assert reached

    @pytest.mark.parametrize("seed", SEEDS)
    def test_costs_are_those_of_the_extracted_model(self, seed: int, name: str) -> None:
        supernet = make_supernet(name)
        config = random_subnet(supernet.shape, seed)
        small = supernet.extract(config)
        workload = Workload(batch_size=3, sequence_length=5)
        costs = supernet.cost(config, workload)
        assert costs.num_parameters == sum(weight.numel() for weight in small.parameters())
        inputs = make_inputs(name, small, batch_size=3, length=5)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            small(**inputs)
        assert 2 * costs.macs == counter.get_total_flops()

    @pytest.mark.parametrize("seed", SEEDS)
    def test_generation_with_a_cache_equals_generation_without(self, seed: int, name: str) -> None:
        supernet = make_supernet(name)
        if not supernet.model.can_generate():
            pytest.skip("it does not generate")
        config = random_subnet(supernet.shape, seed)
        with supernet.active(config) as model:
            found = {f"active, cache {cached}": _generate(name, model, cached) for cached in (True, False)}
        small = supernet.extract(config)
        found |= {f"extracted, cache {cached}": _generate(name, small, cached) for cached in (True, False)}
        first = found["active, cache False"]
        assert len(first.unique()) > 1
        assert {form: torch.equal(tokens, first) for form, tokens in found.items()} == dict.fromkeys(
            found, True
        )

    @pytest.mark.parametrize("attention", ATTENTION)
    def test_every_attention_implementation_computes_the_same(self, attention: str, name: str) -> None:
        _skip_unless_supported(name, attention)
        # Flex attention has no float64.
        dtype = "float32" if attention == "flex_attention" else "float64"
        eager, other = make_supernet(name, dtype), Supernet.from_model(make_model(name, dtype, attention))
        tolerance = 1e-4 if dtype == "float32" else EXACT
        for seed in SEEDS[:2]:
            config = random_subnet(eager.shape, seed)
            expected = elastic(eager, name, config)
            assert_equal(elastic(other, name, config), expected, tolerance)
            assert_equal(forward(name, other.extract(config)), expected, tolerance)

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_lower_precisions_agree_between_active_and_extracted(self, dtype: str, name: str) -> None:
        supernet = make_supernet(name, dtype)
        config = random_subnet(supernet.shape, 1)
        found, small = elastic(supernet, name, config), forward(name, supernet.extract(config))
        assert found.dtype == getattr(torch, dtype)
        assert_equal(found, small, {"float32": 1e-4, "bfloat16": 0.05}[dtype])

    def test_every_search_space_holds_sub_networks_that_run(self, name: str) -> None:
        supernet = make_supernet(name)
        generator = np.random.default_rng(0)
        for kind in KINDS:
            if kind == "staged" and supernet.shape.has_shared_heads:
                continue  # refused: see test_staged.py
            space = supernet.space(kind)
            for config in (space.smallest(), space.middle(), space.sample(generator)):
                assert space.decode(space.encode(config)) == config
                assert elastic(supernet, name, config).isfinite().all()

    @pytest.mark.parametrize("importance", ["magnitude_l2", "minitron", "block_influence"])
    def test_importance_scores_every_unit(self, importance: str, name: str) -> None:
        supernet = Supernet.from_model(make_model(name), task=task_of_case(name))
        before = forward(name, supernet.model)
        supernet.rank(importance, [_Batch(make_inputs(name, supernet.model))])
        assert sorted(supernet.layer_order) == list(range(supernet.shape.num_hidden_layers))
        assert_equal(forward(name, supernet.model), before)


class _Batch:
    """Calibration data without labels."""

    def __init__(self, inputs: dict[str, torch.Tensor]) -> None:
        self.inputs = inputs
        self.labels = None


def task_of_case(name: str) -> str:
    """The task that a case's class is for; of a class for none of ours, the one that any model has."""
    tasks = {
        "AutoModelForSequenceClassification": "sequence-classification",
        "AutoModelForTokenClassification": "token-classification",
        "AutoModelForMaskedLM": "masked-lm",
        "AutoModelForCausalLM": "causal-lm",
        "AutoModelForSeq2SeqLM": "seq2seq-lm",
        "AutoModelForSpeechSeq2Seq": "seq2seq-lm",
        "AutoModelForImageClassification": "image-classification",
        "AutoModel": "feature-extraction",
    }
    if CASES[name].get("has_no_task"):
        return tasks["AutoModel"]
    return tasks[CASES[name]["class"]]


def _masks(supernet: Supernet, config: SubnetConfig) -> list[tuple[Any, torch.Tensor]]:
    """0 at the inputs of dropped heads and neurons of each block's output projections."""
    masks = []
    blocks = supernet.family.layers_of(supernet.model)
    for index, (units, full) in enumerate(zip(config.layers, supernet.shape.layers, strict=True)):
        assert units is not None
        heads = torch.zeros(full.num_key_value_heads, full.queries_per_head, full.head_dim).double()
        for head in indices(units.heads):
            heads[head, list(indices(units.queries))] = 1
        neurons = torch.zeros(full.intermediate_size).double()
        neurons[list(indices(units.ffn))] = 1
        block = supernet.family.block_of(supernet.shape, index)
        masks += [(blocks[index].get_submodule(path), heads.reshape(-1)) for path in block.attention_outputs]
        masks.append((blocks[index].get_submodule(block.ffn_output), neurons))
    return masks


def _kept_elements(weight: Any, layout: Any, config: SubnetConfig, shape: ModelShape) -> torch.Tensor:
    """Flat positions of a weight's kept elements; none where its sub-layer is removed."""
    if layout.layer is not None:
        units = config.layers[layout.layer]
        sizes = {"attention": units and count(units.heads), "ffn": units and count(units.ffn), None: units}
        if not sizes[layout.part]:
            return torch.empty(0, dtype=torch.long)
    positions = torch.arange(weight.numel()).view(weight.shape)
    return cut(positions, layout, config, shape).reshape(-1)


def _generate(name: str, model: Any, use_cache: bool) -> torch.Tensor:
    inputs = make_inputs(name, model, batch_size=1)
    inputs.pop("decoder_input_ids", None)
    options = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "no_repeat_ngram_size": 2}
    tokens: torch.Tensor = model.generate(**inputs, **options, use_cache=use_cache)
    return tokens


def _skip_unless_supported(name: str, attention: str) -> None:
    if attention == "flex_attention" and name != CASES[name]["model_type"]:
        pytest.skip("one case of each architecture suffices")
    if attention in CASES[name].get("broken_attention", ()):
        pytest.skip("the stock model fails with it")
    flag = {"sdpa": "_supports_sdpa", "flex_attention": "_supports_flex_attn"}[attention]
    if not getattr(type(make_supernet(name).model), flag, False):
        pytest.skip(f"transformers has no {attention} for it")
