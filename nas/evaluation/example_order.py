"""The order in which a staged evaluation takes the examples: every prefix is a fair sample of all of them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from nas.data import BatchedDataset

_SEED: Final = 0
#: Numbers are sorted into so many groups of about equal size.
_NUMBER_STRATA: Final = 10


def stratified_order(data: BatchedDataset) -> npt.NDArray[np.int64]:
    """Positions of all examples, `(examples,)`; a function of the data alone.

    Examples are shuffled within their stratum, then the strata are interleaved in proportion: the j-th of
    the n examples of a stratum stands at `(j - 1/2) / n` of the way. A stratum is a class, or a tenth of the
    ranks where labels are numbers; examples with labels a token are only shuffled.

    Source: the quotients of Webster's (Sainte-Laguë's) apportionment.
    """
    generator = np.random.default_rng(_SEED)
    shuffled = generator.permutation(len(data))
    strata = _strata(data)[shuffled]
    within = np.empty(len(data))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        within[members] = (np.arange(len(members)) + 0.5) / len(members)
    order: npt.NDArray[np.int64] = shuffled[np.argsort(within, kind="stable")]  # ties stay shuffled
    return order


def _strata(data: BatchedDataset) -> npt.NDArray[np.int64]:
    """A group number for each example, `(examples,)`."""
    if data.label_kind == "class":
        return data.labels.astype(np.int64)
    if data.label_kind in ("number", "similarity"):
        ranks = np.argsort(np.argsort(data.labels, kind="stable"), kind="stable")
        return ranks * _NUMBER_STRATA // len(data)
    return np.zeros(len(data), np.int64)
