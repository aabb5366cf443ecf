"""whittle's searchers on the oracle, run by a Python that has whittle; only the oracle is shared.

`python -m benchmarks.search.whittle_side METHOD --seed N --truth N --evaluations N --examples N` prints the
sub-networks that it evaluated, one a line, in their order, repetitions included.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

import numpy as np

from benchmarks.search.oracle import Kept, Oracle, Sizes

#: `nsga2` needs pymoo besides; the two Bayesian methods, which take a second a trial and more, are left out.
METHODS: Final = ("random_search", "local_search", "morea", "nsga2")


def main(arguments: list[str]) -> None:
    """Run one searcher."""
    from syne_tune.config_space import randint  # type: ignore[import-not-found, unused-ignore]
    from whittle.search import multi_objective_search  # type: ignore[import-not-found, unused-ignore]

    given = _parser().parse_args(arguments)
    sizes = Sizes(**json.loads(given.sizes))
    oracle = Oracle(given.truth, examples=given.examples, sizes=sizes)
    rows = np.arange(len(oracle))

    def objective(config: dict[str, Any]) -> tuple[float, float]:
        kept = kept_of(config, sizes)
        print(json.dumps([kept.heads, kept.neurons]), flush=True)
        share = sizes.num_parameters(kept) / sizes.num_parameters(sizes.full)
        return 1 - oracle.accuracy(kept, rows), share

    space = {
        name: randint(0, high)
        for block in range(sizes.layers)
        for name, high in (
            (f"heads_{block}", sizes.heads),
            (f"neurons_{block}", sizes.neurons // sizes.neuron_step),
        )
    }
    multi_objective_search(
        objective,
        space,
        search_strategy=given.method,
        num_samples=given.evaluations,
        seed=given.seed,
        verbose=False,
    )


def kept_of(config: dict[str, Any], sizes: Sizes) -> Kept:
    """Units of a point of its space, which has the same points as ours."""
    blocks = range(sizes.layers)
    return Kept(
        heads=tuple(int(config[f"heads_{block}"]) for block in blocks),
        neurons=tuple(int(config[f"neurons_{block}"]) * sizes.neuron_step for block in blocks),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.whittle_side", description=__doc__)
    parser.add_argument("method", choices=METHODS)
    for name in ("seed", "truth", "evaluations", "examples"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--sizes", required=True, help="of the oracle's full model, as JSON")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
