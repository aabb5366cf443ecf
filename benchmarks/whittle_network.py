"""The network of `benchmarks.whittle_strategies` in whittle's layout, unsorted and sorted by its scores."""

from __future__ import annotations

import tempfile
from types import SimpleNamespace
from typing import Any, Final

import torch
from datasets import Dataset  # type: ignore[import-not-found, unused-ignore]
from litgpt import Config  # type: ignore[import-not-found, unused-ignore]
from whittle.importance import (  # type: ignore[import-not-found, unused-ignore]
    block_importance,
    embd_size,
    intermediate_size,
    num_heads,
)
from whittle.importance.utils import sort_keys_by_score  # type: ignore[import-not-found, unused-ignore]
from whittle.metrics.parameters import compute_parameters  # type: ignore[import-not-found, unused-ignore]
from whittle.models.gpt import GPT  # type: ignore[import-not-found, unused-ignore]
from whittle.models.gpt.extract import (  # type: ignore[import-not-found, unused-ignore]
    extract_current_sub_network,
)

from benchmarks import whittle_case as shared
from benchmarks.whittle_case import BATCH, BLOCK, FULL, Case, Sizes

#: Largest difference of logits at which two networks are the same.
_TOLERANCE: Final = 1e-4
#: What `whittle/compute_importance.py` takes unless told.
_OBJECTIVE: Final = "norm"


def network_of(case: Case, *, compute_importance: bool = False) -> Any:
    """The starting network in litgpt's layout."""
    config = Config(
        name="byte-level",
        block_size=BLOCK,
        vocab_size=shared.VOCABULARY,
        padded_vocab_size=shared.VOCABULARY,
        n_layer=FULL.layers,
        n_head=FULL.heads,
        n_query_groups=FULL.heads,
        n_embd=FULL.hidden,
        head_size=shared.HEAD_DIM,
        intermediate_size=FULL.ffn,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        norm_eps=shared.NORM_EPSILON,
        mlp_class_name="LLaMAMLP",
        rope_base=int(shared.ROPE_BASE),
    )
    model = GPT(config, compute_importance=compute_importance)
    model.load_state_dict(litgpt_weights(case.tensors))
    return model.eval()


def litgpt_weights(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights named `weight.` and as in transformers' Llama, by litgpt's names."""
    of = {name.removeprefix("weight."): tensor for name, tensor in tensors.items()}
    named = {
        "lm_head.weight": of["lm_head.weight"],
        "transformer.wte.weight": of["model.embed_tokens.weight"],
        "transformer.ln_f.weight": of["model.norm.weight"],
    }
    for index in range(FULL.layers):
        old, new = f"model.layers.{index}", f"transformer.h.{index}"
        projections = [of[f"{old}.self_attn.{part}_proj.weight"] for part in "qkv"]
        named |= {
            f"{new}.attn.qkv.weight": torch.cat(projections),
            f"{new}.attn.proj.weight": of[f"{old}.self_attn.o_proj.weight"],
            f"{new}.mlp.fc_1.weight": of[f"{old}.mlp.gate_proj.weight"],
            f"{new}.mlp.fc_2.weight": of[f"{old}.mlp.up_proj.weight"],
            f"{new}.mlp.proj.weight": of[f"{old}.mlp.down_proj.weight"],
            f"{new}.norm_1.weight": of[f"{old}.input_layernorm.weight"],
            f"{new}.norm_2.weight": of[f"{old}.post_attention_layernorm.weight"],
        }
    return named


def check(model: Any, case: Case) -> dict[str, float]:
    """The largest difference of the full network's logits, and of parameter counts as a share of ours.

    Raises:
        SystemExit: it is another network than ours.
    """
    with torch.no_grad():
        logits = model(case.tensors["validation"][:BATCH])
    difference = (logits - case.tensors["logits"]).abs().max().item()
    if not difference <= _TOLERANCE:
        raise SystemExit(f"logits differ by {difference:.1e}, more than {_TOLERANCE}: not the same network")
    full, worst = compute_parameters(model), 0.0
    for sizes, fraction in zip(case.evaluated, case.fractions, strict=True):
        model.set_sub_network(**keywords_of(sizes))
        worst = max(worst, abs(compute_parameters(model) / full / fraction - 1))
        model.reset_super_network()
    return {"logits": difference, "parameters": worst}


def ranked(case: Case, seed: int) -> tuple[Any, tuple[int, ...]]:
    """The network sorted by whittle's scores, and its layers from the most to the least important.

    The scores are called one by one: whittle's `compute_importance.py` calls those of heads and channels
    without a data set, which is a TypeError.
    """
    model = network_of(case, compute_importance=True)
    torch.manual_seed(seed)  # its loader shuffles
    with tempfile.TemporaryDirectory() as folder:
        blocks = case.tensors["train"][case.tensors[f"order.{seed}"][: shared.CALIBRATION_BATCHES]]
        text = bytes(blocks.flatten().tolist()).decode("latin-1")
        Dataset.from_dict({"text": [text]}).save_to_disk(folder)
        data = {
            "max_length": BLOCK,
            "model": model,
            "tokenizer": _bytes_of,
            "dataset_path": folder,
            "batch_size": BATCH,
            "num_batches": shared.CALIBRATION_BATCHES,
        }
        layers = block_importance.compute_block_importance(**data)
        data["objective"] = _OBJECTIVE
        heads = num_heads.compute_importance_heads(**data)
        neurons = intermediate_size.compute_importance_intermediate_size(**data)
        channels = embd_size.compute_importance_embd(**data)
    model.set_sub_network(
        **keywords_of(FULL),
        sampled_embd_indices=sort_keys_by_score(channels),
        sampled_intermediate_indices=sort_keys_by_score(neurons),
        sampled_query_group_indices=sort_keys_by_score(heads),
    )
    return extract_current_sub_network(model).eval(), tuple(sort_keys_by_score(layers))


def keywords_of(sizes: Sizes, layer_order: tuple[int, ...] | None = None) -> dict[str, Any]:
    """Arguments of `GPT.set_sub_network`; the first layers are kept unless an order is given."""
    keywords: dict[str, Any] = {
        "sub_network_n_embd": sizes.hidden,
        "sub_network_intermediate_size": sizes.ffn,
        "sub_network_num_heads": sizes.heads,
        "sub_network_n_layers": sizes.layers,
    }
    if layer_order is not None:
        keywords["sampled_layer_indices"] = sorted(layer_order[: sizes.layers])
    return keywords


def _bytes_of(text: str, return_tensors: str) -> Any:
    """What whittle calls as a tokenizer."""
    del return_tensors
    return SimpleNamespace(input_ids=torch.tensor([list(text.encode("latin-1"))]))


_bytes_of.pad_token = "\0"  # type: ignore[attr-defined]  # so that whittle does not set one
