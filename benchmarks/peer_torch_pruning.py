"""Torch-Pruning on one case, in a process of its own; prints one JSON object.

Follows the library's examples for transformers (`examples/transformers/prune_hf_bert.py`, `prune_hf_vit.py`,
`examples/LLMs/prune_llm.py`): heads by `num_heads`, key and value heads for grouped queries, whole heads
pruned and head dimensions kept, the output layer ignored, group magnitude as importance, and afterwards the
modules' attributes set. A fused gate and up projection is an output channel group of 2.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from torch import nn

from benchmarks.peer_cases import Case
from benchmarks.peer_models import in_features, inputs_of
from benchmarks.peer_side import Pruned, run_side

#: Attributes that hold the size of a head.
_HEAD_DIMS: Final = ("head_dim", "attention_head_size", "key_value_proj_dim", "head_size")


def prune(case: Case, model: Any) -> Pruned:
    """Prune heads, neurons and hidden size by half, in place.

    Traced without a key-value cache: with one, GPT-2 and Llama with grouped queries (2:1, 3:1 and 4:1 tried)
    fail or hang.
    """
    import torch_pruning  # type: ignore[import-not-found, unused-ignore]  # in a Python of its own

    use_cache, model.config.use_cache = getattr(model.config, "use_cache", False), False
    pruner = torch_pruning.pruner.BasePruner(
        model,
        example_inputs=inputs_of(case, model, batch_size=1),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2, group_reduction="mean"),
        global_pruning=False,
        pruning_ratio=0.5,
        head_pruning_ratio=0.5,
        num_heads=_projection_heads(case, model),
        out_channel_groups=dict.fromkeys(_ending(model, case.layout.ffn_pairs), 2),
        prune_num_heads=True,
        prune_head_dims=False,
        ignored_layers=[model.get_submodule(case.layout.output)],
        output_transform=lambda outputs: outputs.logits.sum(),
    )
    for group in pruner.step(interactive=True):
        group.prune()
    model.config.use_cache = use_cache
    _set_attributes(case, model)
    return Pruned(model=model, edit_config=lambda: _edit_config(case, model))


def _ending(model: nn.Module, endings: tuple[str, ...]) -> list[nn.Module]:
    """Modules whose name has one of the endings."""
    return [module for name, module in model.named_modules() if endings and name.endswith(endings)]


def _projection_heads(case: Case, model: nn.Module) -> dict[nn.Module, int]:
    heads = dict.fromkeys(_ending(model, case.layout.queries), case.heads)
    return heads | dict.fromkeys(_ending(model, case.layout.keys), case.key_value_heads or case.heads)


def _set_attributes(case: Case, model: nn.Module) -> None:
    """What the examples set on attention modules, under every name that transformers has for it."""
    query_name = case.layout.queries[0].rsplit(".", 1)[-1]
    for module in model.modules():
        query = dict(module.named_children()).get(query_name)
        head_dim = next((getattr(module, key) for key in _HEAD_DIMS if hasattr(module, key)), None)
        if query is None or head_dim is None:
            continue
        width = _out_features(query) // (1 if case.layout.keys else 3)
        kept = width // head_dim
        groups = 1 if case.key_value_heads in (None, case.heads) else kept // case.key_value_heads
        values = dict.fromkeys(("num_heads", "num_attention_heads", "n_heads"), kept)
        values |= dict.fromkeys(("all_head_size", "inner_dim", "split_size", "embed_dim"), width)
        for key, value in (values | {"num_key_value_groups": groups}).items():
            if hasattr(module, key):
                setattr(module, key, value)


def _edit_config(case: Case, model: Any) -> None:
    """What `prune_llm.py` sets in the config of a Llama, under the names of this architecture."""
    config, (hidden, _, heads, ffn) = model.config, case.common
    head_dim = next((getattr(config, key) for key in ("head_dim", "d_kv") if hasattr(config, key)), None)
    head_dim = head_dim or getattr(config, hidden) // getattr(config, heads)
    output = _ending(model, case.layout.attention_output)[0]
    kept = in_features(output) // head_dim
    setattr(config, hidden, _out_features(output))
    setattr(config, heads, kept)
    if case.key_value_heads == case.heads:
        config.num_key_value_heads = kept
    outputs = _ending(model, case.layout.attention_output)
    neurons = next(module for module in _ending(model, case.layout.ffn_output) if module not in outputs)
    if ffn:
        setattr(config, ffn, in_features(neurons))
    sizes = {"hidden": _out_features(output), "heads": kept, "intermediate": in_features(neurons)}
    for entry, size in case.sizes.items():
        if size in sizes:
            setattr(config, entry, sizes[size])


def _out_features(module: Any) -> int:
    return int(module.weight.shape[0 if isinstance(module, nn.Linear) else 1])


if __name__ == "__main__":
    run_side(prune, sys.argv[1:])
