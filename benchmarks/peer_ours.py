"""Our library on one case, in a process of its own; prints one JSON object."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.peer_cases import Case
from benchmarks.peer_side import Pruned, RefusedError, run_side


def prune(case: Case, model: Any) -> Pruned:
    """Half the heads, neurons and hidden channels, ranked by magnitude, as a new model.

    Of grouped queries half the key-value heads stay with all their queries; of a single one half the queries.
    """
    from nas import ConfigError, LayerUnits, SubnetConfig, Supernet, UnsupportedModelError

    try:
        supernet = Supernet.from_model(model, task=case.task)
    except (ConfigError, UnsupportedModelError) as error:
        raise RefusedError(str(error)) from error
    supernet.rank("magnitude_l2")
    shape = supernet.shape
    layers = []
    for full in shape.layers:
        is_single = full.num_key_value_heads == 1
        heads = 1 if is_single else full.num_key_value_heads // 2
        queries = full.queries_per_head // 2 if is_single else full.queries_per_head
        layers.append(LayerUnits(heads=heads, queries=queries, ffn=full.intermediate_size // 2))
    config = SubnetConfig(hidden=shape.hidden_size // 2, layers=tuple(layers))
    return Pruned(model=supernet.extract(config), further=lambda: supernet.extract(config))


if __name__ == "__main__":
    run_side(prune, sys.argv[1:])
