"""How much of a search's work candidates could share that begin with the same blocks.

A block's share is that of its weights, so embeddings and head are left out. A worker keeps the hidden states
after the blocks that it used last; candidates go to the workers in turn.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

import nas
from search_spaces import ModelShape, SubnetConfig, Workload, cost

_KEPT: Final = (16, 64, 10**6)
_WORKERS: Final = (1, 2)

Prefix = tuple[object, ...]


def main(arguments: list[str]) -> None:
    """Print a table for one study."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks shared_prefixes", description=__doc__)
    parser.add_argument("storage", help="database URL")
    parser.add_argument("studies", nargs="+", metavar="study", help="names of studies")
    given = parser.parse_args(arguments)
    print(
        "| study | candidates | workers | hidden states kept a worker | blocks saved |\n|---|---|---|---|---|"
    )
    for name in given.studies:
        with nas.load_study(name, storage=given.storage) as study:
            candidates = [trial.config for trial in study.trials if trial.metrics is not None]
            shape = study.shape
        for workers in _WORKERS:
            for kept in _KEPT:
                share = saved_share(candidates, shape, workers=workers, kept=kept)
                room = "all" if kept == _KEPT[-1] else str(kept)
                print(f"| {name} | {len(candidates)} | {workers} | {room} | {share:.1%} |")


def saved_share(candidates: Sequence[SubnetConfig], shape: ModelShape, *, workers: int, kept: int) -> float:
    """Share of the blocks' weights, over all candidates, that hidden states kept in memory stand for."""
    total = saved = 0.0
    for worker in range(workers):
        memory: OrderedDict[Prefix, None] = OrderedDict()
        for config in candidates[worker::workers]:
            prefixes, weights = list(_prefixes(config)), _weights(config, shape)
            known = max((n for n, prefix in enumerate(prefixes, 1) if prefix in memory), default=0)
            for prefix in prefixes:
                memory[prefix] = None
                memory.move_to_end(prefix)
            while len(memory) > kept:
                memory.popitem(last=False)
            total += sum(weights)
            saved += sum(weights[:known])
    return saved / total if total else 0.0


def _prefixes(config: SubnetConfig) -> Iterator[Prefix]:
    """What the hidden states after each kept block depend on."""
    blocks: list[object] = [config.hidden]
    for index in config.kept_layers:
        blocks.append((index, config.layers[index]))
        yield tuple(blocks)


def _weights(config: SubnetConfig, shape: ModelShape) -> list[int]:
    """Weights of the matrices of each kept block."""
    alone = [
        SubnetConfig(
            hidden=config.hidden,
            layers=tuple(units if i == index else None for i, units in enumerate(config.layers)),
        )
        for index in config.kept_layers
    ]
    token = Workload(batch_size=1, sequence_length=1)
    return [cost(shape, one, token).num_prunable_parameters for one in alone]
