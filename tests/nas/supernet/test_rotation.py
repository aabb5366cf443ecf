"""Rotating the residual stream keeps the function and puts what the stream holds first."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig

from nas.export import ExportFacts, export_subnet
from nas.importance.base import Subject
from nas.supernet import Supernet
from nas.supernet.moments import helmert_vectors, second_moment
from nas.supernet.rotation import norm_correction
from nas.supernet.stream import stream_weights
from nas.tasks import task_of
from search_spaces import LayerUnits, SubnetConfig

# Norms and rotary positions of transformers compute in float32 inside.
EXACT = 1e-5
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 20,
    "vocab_size": 40,
    "max_position_embeddings": 24,
    "pad_token_id": 0,
}
HEAD_DIM = {"head_dim": 6}
T5 = {
    "d_model": 26,
    "d_kv": 8,
    "d_ff": 20,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 3,
    "vocab_size": 40,
    "relative_attention_num_buckets": 6,
    "decoder_start_token_id": 0,
}
LM = ("AutoModelForCausalLM", "causal-lm")
CLASSIFIER = ("AutoModelForSequenceClassification", "sequence-classification")
SEQ2SEQ = ("AutoModelForSeq2SeqLM", "seq2seq-lm")
IMAGES = ("AutoModelForImageClassification", "image-classification")
EQUAL_HEADS = SIZES | {"num_key_value_heads": 4}
OPT = EQUAL_HEADS | {"ffn_dim": 20}
IMAGE_SIZES = {"hidden_size": 24, "num_attention_heads": 4, "image_size": 8, "patch_size": 4}
ROTATABLE: dict[str, tuple[str, tuple[str, str], dict[str, Any]]] = {
    "llama": ("llama", LM, SIZES | HEAD_DIM),
    "llama-tied": ("llama", LM, SIZES | HEAD_DIM | {"tie_word_embeddings": True}),
    "llama-biased": ("llama", LM, SIZES | HEAD_DIM | {"attention_bias": True, "mlp_bias": True}),
    "llama-classifier": ("llama", CLASSIFIER, SIZES | HEAD_DIM),
    "mistral": ("mistral", LM, SIZES | HEAD_DIM),
    "qwen2": ("qwen2", LM, SIZES),
    "qwen3-tied": ("qwen3", LM, SIZES | HEAD_DIM | {"tie_word_embeddings": True}),
    "granite": (
        "granite",
        LM,
        SIZES | {"embedding_multiplier": 3.0, "residual_multiplier": 0.5, "logits_scaling": 2.0},
    ),
    "smollm3": ("smollm3", LM, SIZES | {"no_rope_layers": [1, 0, 1]}),
    "phi3-tied": ("phi3", LM, SIZES | {"tie_word_embeddings": True}),
    "gemma-tied": ("gemma", LM, SIZES | HEAD_DIM),
    "t5-tied": ("t5", SEQ2SEQ, T5),
    "t5-gated": ("t5", SEQ2SEQ, T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "t5-classifier": ("t5", CLASSIFIER, T5),
    "mt5": ("mt5", SEQ2SEQ, T5),
    # Layer norms; GPT-2, OPT and StarCoder2 are tied.
    "gpt2": ("gpt2", LM, SIZES | {"n_inner": 20}),
    "gpt2-classifier": ("gpt2", CLASSIFIER, SIZES | {"n_inner": 20}),
    "opt": ("opt", LM, OPT | {"word_embed_proj_dim": 24}),
    "opt-projected": ("opt", LM, OPT | {"word_embed_proj_dim": 16}),
    "gpt_neox": ("gpt_neox", LM, EQUAL_HEADS | {"rotary_pct": 0.4}),
    "gpt_neox-sequential": (
        "gpt_neox",
        LM,
        EQUAL_HEADS | {"rotary_pct": 0.4, "use_parallel_residual": False, "attention_bias": False},
    ),
    "phi": ("phi", LM, SIZES | {"head_dim": 8}),
    "stablelm": ("stablelm", LM, EQUAL_HEADS | {"use_qkv_bias": True}),
    "stablelm-unbiased": ("stablelm", CLASSIFIER, SIZES),
    "starcoder2": ("starcoder2", LM, SIZES),
    "vit": ("vit", IMAGES, IMAGE_SIZES | {"intermediate_size": 20}),
    "vit-unbiased": ("vit", IMAGES, IMAGE_SIZES | {"qkv_bias": False}),
    "deit": (
        "deit",
        IMAGES,
        IMAGE_SIZES | {"architectures": ["DeiTForImageClassificationWithTeacher"]},
    ),
    "dinov2": ("dinov2", IMAGES, IMAGE_SIZES),
    "dinov2-gated": ("dinov2", IMAGES, IMAGE_SIZES | {"use_swiglu_ffn": True}),
}
#: Cases of the slower tests: every way in which a norm's bias, a head or a fused weight is treated.
LAYER_NORMS = ["gpt2", "opt", "gpt_neox", "phi", "starcoder2", "vit"]
ROTATION = {"hidden": "pca_rotation"}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Token data without labels."""

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor | None = None


def make_batch(supernet: Supernet, seed: int = 2) -> Batch:
    """Four sequences of nine tokens, the last padded by two; or nine images."""
    generator = torch.Generator().manual_seed(seed)
    if supernet.task == IMAGES[1]:
        return Batch(inputs={"pixel_values": torch.randn(9, 3, 8, 8, generator=generator).double()})
    tokens = torch.randint(5, 40, (4, 9), generator=generator)
    mask = torch.ones_like(tokens)
    if "t5" in supernet.shape.model_type:
        tokens[:, -1] = 1  # the classifier reads the last end of a text
    else:
        mask[-1, -2:] = 0
    inputs = {"input_ids": tokens, "attention_mask": mask}
    if supernet.task == "seq2seq-lm":
        inputs["decoder_input_ids"] = tokens.flip(1)
    return Batch(inputs=inputs)


def make_supernet(name: str, dtype: torch.dtype = torch.float64) -> Supernet:
    """A tiny model with random weights, its norms' too."""
    model_type, (auto, task), sizes = ROTATABLE[name]
    config = AutoConfig.for_model(model_type, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, auto).from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            is_norm = parameter.ndim == 1 and re.search("norm|ln_|lambda", parameter_name)
            parameter.normal_(1.0 if is_norm else 0.0, 0.3, generator=generator)
    return Supernet(model.to(dtype).eval(), task=task)


def output(model: Any, batch: Batch) -> torch.Tensor:
    """Logits at tokens that are not padding."""
    with torch.no_grad():
        logits: torch.Tensor = model(**batch.inputs).logits
    if "pixel_values" in batch.inputs:
        return logits
    mask = batch.inputs["attention_mask"].bool()
    return logits[mask] if logits.shape[:2] == mask.shape and mask.sum() < mask.numel() else logits


def assert_same(found: torch.Tensor, expected: torch.Tensor, tolerance: float = EXACT) -> None:
    """Equal to within a share of the largest value."""
    torch.testing.assert_close(found, expected, atol=tolerance * float(expected.abs().max()), rtol=0)


def moment_of(supernet: Supernet, batch: Batch) -> torch.Tensor:
    """Second moment of the stream in the channels that the supernet has now."""
    subject = Subject(
        model=supernet.model,
        shape=supernet.shape,
        family=supernet.family,
        task=task_of(supernet.task),
        active=supernet.active,
    )
    return second_moment(subject, [batch], is_centred=has_layer_norms(supernet))


def has_layer_norms(supernet: Supernet) -> bool:
    """Whether the norms subtract the mean."""
    return stream_weights(supernet.model, supernet.shape, supernet.family).has_layer_norms


def uniform(supernet: Supernet, hidden: int) -> SubnetConfig:
    """Equal blocks with fewer units on every axis, with one head less."""
    heads = supernet.shape.layers[0].num_key_value_heads - 1
    queries = supernet.shape.layers[0].queries_per_head
    units = LayerUnits(heads=heads, queries=queries, ffn=11)
    return SubnetConfig(hidden=hidden, layers=(units,) * supernet.shape.num_hidden_layers)


@pytest.mark.parametrize("name", ROTATABLE)
def test_the_full_model_computes_the_same_after_rotation(name: str) -> None:
    supernet = make_supernet(name)
    batch = make_batch(supernet)
    before, weights = output(supernet.model, batch), supernet.sha256
    supernet.rank(ROTATION, [make_batch(supernet, seed=3)])
    assert supernet.sha256 != weights
    assert_same(output(supernet.model, batch), before)


@pytest.mark.parametrize("name", ROTATABLE)
def test_directions_of_a_rotated_stream_are_uncorrelated_and_fall_in_size(name: str) -> None:
    supernet = make_supernet(name)
    batch = make_batch(supernet)
    supernet.rank(ROTATION, [batch])
    moment = moment_of(supernet, batch)
    if has_layer_norms(supernet):
        basis = helmert_vectors(len(moment))
        moment = basis @ moment @ basis.T
    sizes = moment.diagonal()
    assert (sizes[:-1] - sizes[1:] > -EXACT).all()
    torch.testing.assert_close(moment, sizes.diag(), atol=1e-4, rtol=0)
    assert float(sizes.sum()) == pytest.approx(supernet.shape.hidden_size, rel=1e-6)


@pytest.mark.parametrize("name", ROTATABLE)
def test_a_rotated_sub_network_is_the_same_active_and_extracted_and_counted(name: str) -> None:
    supernet = make_supernet(name)
    batch = make_batch(supernet)
    supernet.rank(ROTATION | {"heads": "magnitude_l2", "ffn": "magnitude_l2"}, [batch])
    config = uniform(supernet, 18)
    with supernet.active(config) as model:
        expected = output(model, batch)
    small = supernet.extract(config)
    assert_same(output(small, batch), expected)
    assert supernet.cost(config).num_parameters == sum(p.numel() for p in small.parameters())


@pytest.mark.parametrize("name", ["llama", "llama-tied", "phi3-tied", "t5-tied", "mt5", "gpt2", "gpt_neox"])
def test_a_tied_head_alone_gets_weights_of_its_own_that_are_counted(name: str) -> None:
    supernet = make_supernet(name)
    before = supernet.cost(supernet.full).num_parameters
    supernet.rank(ROTATION, [make_batch(supernet)])
    added = 0 if name in ("llama", "gpt_neox") else 40 * supernet.shape.hidden_size
    assert supernet.cost(supernet.full).num_parameters == before + added
    assert sum(p.numel() for p in supernet.model.parameters()) == before + added


@pytest.mark.parametrize("name", ["llama-tied", "gemma-tied", "t5-tied", "gpt2", "opt", "phi"])
def test_a_rotated_supernet_is_saved_and_read_back(name: str, tmp_path: Path) -> None:
    supernet = make_supernet(name, torch.float32)
    batch = make_batch(supernet)
    supernet.rank(ROTATION, [batch])
    loaded = Supernet.load(supernet.save(tmp_path / "rotated"))
    assert (loaded.shape, loaded.ranking) == (supernet.shape, {"hidden": "pca_rotation"})
    config = uniform(supernet, 18)
    with supernet.active(config) as model, loaded.active(config) as other:
        assert_same(output(other, batch), output(model, batch))


@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen3-tied", "gemma-tied", "t5-tied", *LAYER_NORMS])
def test_a_plain_rotated_sub_network_loads_with_the_stock_class(name: str, tmp_path: Path) -> None:
    supernet = make_supernet(name)
    batch = make_batch(supernet)
    supernet.rank(ROTATION, [batch])
    config = uniform(supernet, 18)
    with supernet.active(config) as model:
        expected = output(model, batch)
    supernet.extract(config).save_pretrained(tmp_path)
    auto: Any = getattr(transformers, ROTATABLE[name][1][0])
    loaded, info = auto.from_pretrained(
        tmp_path, dtype=torch.float64, attn_implementation="eager", output_loading_info=True
    )
    assert not any(info.values()), info
    assert_same(output(loaded.eval(), batch), expected)


@pytest.mark.parametrize("name", ["llama-tied", "gpt2", "dinov2"])
def test_ranking_twice_keeps_the_function_and_the_directions(name: str) -> None:
    supernet = make_supernet(name)
    batch = make_batch(supernet)
    before = output(supernet.model, batch)
    supernet.rank(ROTATION, [batch])
    config = uniform(supernet, 12)
    with supernet.active(config) as model:
        once = output(model, batch)
    supernet.rank(ROTATION, [batch])
    assert_same(output(supernet.model, batch), before)
    with supernet.active(config) as model:
        assert_same(output(model, batch), once, tolerance=1e-3)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_channels_can_be_sorted_before_and_after_a_rotation(name: str) -> None:
    supernet = make_supernet(name)
    batch = make_batch(supernet)
    before = output(supernet.model, batch)
    for method in ("magnitude_l2", "pca_rotation", "random"):
        supernet.rank({"hidden": method}, [batch])
    assert_same(output(supernet.model, batch), before)
    assert supernet.ranking == {"hidden": "random"}


def test_other_axes_are_sorted_in_the_same_call() -> None:
    supernet = make_supernet("llama")
    batch = make_batch(supernet)
    before = output(supernet.model, batch)
    ranking = supernet.rank(ROTATION | {"ffn": "random", "layers": "block_influence"}, [batch])
    assert ranking.methods == {
        "hidden": "pca_rotation",
        "ffn": "random",
        "layers": "block_influence",
    }
    assert set(ranking.orders.ffn) == {0, 1, 2}
    assert_same(output(supernet.model, batch), before)


def test_the_passes_of_a_rotation_are_counted() -> None:
    supernet = make_supernet("llama")
    batches = [make_batch(supernet, seed) for seed in range(3)]
    passes = []
    handle = supernet.model.register_forward_hook(lambda *_: passes.append(1))
    cost = supernet.rank(ROTATION | {"layers": "block_influence"}, batches).cost
    handle.remove()
    assert (cost.forward, cost.backward) == (len(passes), 0)
    assert cost.forward == 6


def test_padding_has_no_say_in_the_directions() -> None:
    supernet = make_supernet("llama")
    padded = make_batch(supernet)
    tokens = padded.inputs["input_ids"].clone()
    tokens[-1, -2:] = 7
    other = Batch(inputs={**padded.inputs, "input_ids": tokens})
    torch.testing.assert_close(moment_of(supernet, padded), moment_of(supernet, other), atol=1e-9, rtol=0)


def test_gradients_are_asked_of_the_same_weights_as_before() -> None:
    supernet = make_supernet("llama-tied")
    supernet.model.requires_grad_(requires_grad=False)
    supernet.rank(ROTATION, [make_batch(supernet)])
    assert not any(p.requires_grad for p in supernet.model.parameters())


@pytest.mark.parametrize("name", ["llama", "gemma-tied", "t5-gated"])
def test_corrected_norms_divide_by_the_full_width(name: str) -> None:
    """With channels of the stream that are all dropped ones zero, the correction makes slicing exact."""
    supernet = make_supernet(name)
    batch = make_batch(supernet)
    supernet.rank(ROTATION, [batch])
    with torch.no_grad():
        for layout in supernet.shape.tensors:
            for dim, segments in enumerate(layout.dims):
                if segments[0].axis == "hidden" and "norm" not in layout.name:
                    weight = supernet.model.get_parameter(layout.name)
                    weight.narrow(dim, 16, weight.shape[dim] - 16).zero_()
    config = SubnetConfig(hidden=16, layers=supernet.full.layers)
    expected = output(supernet.model, batch)
    with supernet.active(config) as model:
        assert (output(model, batch) - expected).abs().max() > 1e-2 * expected.abs().max()
    with supernet.active(config, weights=norm_correction(supernet, config)) as model:
        # A norm's epsilon is not scaled with the width.
        assert_same(output(model, batch), expected, tolerance=1e-4)


def test_corrections_fit_what_a_sub_network_keeps() -> None:
    supernet = make_supernet("llama")
    layers = (None, LayerUnits(heads=0, queries=0, ffn=7), supernet.full.layers[2])
    config = SubnetConfig(hidden=(0, 3, 5), layers=layers)
    names = set(norm_correction(supernet, config))
    assert names == {
        "model.norm.weight",
        "model.layers.1.post_attention_layernorm.weight",
        "model.layers.2.input_layernorm.weight",
        "model.layers.2.post_attention_layernorm.weight",
    }
    supernet.extract(config, weights=norm_correction(supernet, config))


def test_the_full_width_needs_no_correction() -> None:
    supernet = make_supernet("llama")
    assert norm_correction(supernet, supernet.full) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama-tied", "t5-tied", "gpt2", "phi"])
@pytest.mark.parametrize("is_plain", [True, False])
def test_a_rotated_sub_network_passes_the_gates_of_export(name: str, is_plain: bool, tmp_path: Path) -> None:
    supernet = make_supernet(name, torch.float32)
    supernet.rank(ROTATION, [make_batch(supernet)])
    config = uniform(supernet, 18)
    if not is_plain:
        assert config.layers[-1] is not None
        config = replace(config, layers=(*config.layers[:-1], replace(config.layers[-1], ffn=5)))
    report = export_subnet(
        supernet,
        config,
        tmp_path / "out",
        facts=ExportFacts(),
        weights=norm_correction(supernet, config),
    )
    assert report.portability == ("plain" if is_plain else "custom-code")
    assert report.max_difference <= report.tolerance
