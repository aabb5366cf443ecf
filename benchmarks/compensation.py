"""What closed-form compensation gives back of what cutting took.

The figure is exp(loss of the sub-network - loss of the full model) on held-out data: of language models the
ratio of perplexities. Its interval is that of the paired differences of the examples' losses. Nothing is
trained after cutting.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from transformers import AutoTokenizer

import nas
from benchmarks.assets import Asset, english, minilm, smollm2
from benchmarks.models import TINY, random_supernet
from benchmarks.table import Row
from nas.compensation import Compensation, Compensator, add_output_biases
from nas.data import BatchedDataset, EncodedDataset, Texts, load_texts, pack_texts
from nas.data.padding import offsets_of
from nas.evaluation import Outcome
from nas.evaluation.scoring import run as score
from nas.tasks import task_of
from search_spaces import LayerUnits, SubnetConfig
from workers.intervals import Interval

_SST2: Final = Path("../shared/data/sst2")
#: Calibration data: sentences of about 13 tokens, or blocks of 256.
_SENTENCES: Final = 1024
_BLOCKS: Final = 64
_UNITS: Final = ("none", "bias", "mask_scale", "lstsq", "lstsq_bias")
_LAYERS: Final = ("drop", "merge", "linear_fit")
_NORMAL: Final = 1.96


@dataclass(frozen=True, kw_only=True)
class Case:
    """A ranked supernet with calibration data, and held-out data.

    Attributes:
        examples: of calibration.
        dropped: numbers of blocks to drop.
        batch_size: examples a forward.
    """

    name: str
    supernet: nas.Supernet
    held_out: BatchedDataset
    examples: int
    dropped: tuple[int, ...]
    batch_size: int


def run(*, quick: bool) -> list[Row]:
    cases = [_tiny()] if quick else [_minilm(), _smollm2()]
    return [row for case in cases for row in _rows(case)]


def _rows(case: Case) -> Iterator[Row]:
    full = _outcome(case, case.supernet.full, {})
    compensator = Compensator(case.supernet, Compensation(examples=case.examples))
    for share in (0.75, 0.5):
        config = _narrower(case.supernet, share)
        for units in _UNITS:
            method = Compensation(units=units, examples=case.examples)
            yield _row(case, f"FFN {share:.0%}, {units}", config, compensator.variant(method), full)
    for number in case.dropped:
        config = _shallower(case.supernet, number)
        for layers in _LAYERS:
            method = Compensation(units="none", layers=layers, examples=case.examples)
            yield _row(case, f"{number} blocks less, {layers}", config, compensator.variant(method), full)


def _row(case: Case, what: str, config: SubnetConfig, compensator: Compensator, full: Outcome) -> Row:
    weights = compensator.weights(config)
    outcome = _outcome(case, config, weights)
    metric = task_of(case.supernet.task).metric
    value, whole = (one.values([metric])[metric] for one in (outcome, full))
    also = f"{metric} {value:.4g} (full {whole:.4g}); {compensator.seconds:.1f} s of weights"
    return Row(case=f"{case.name}, {what}", figure=_ratio(outcome, full), also=also)


def _outcome(case: Case, config: SubnetConfig, weights: dict[str, Any]) -> Outcome:
    task, data = task_of(case.supernet.task), case.held_out
    batches = data.batches(case.batch_size, order="length")
    with case.supernet.active(config, weights) as model:
        return score(task, model, batches, len(data), metrics=(task.metric,))


def _ratio(outcome: Outcome, full: Outcome) -> Interval:
    """exp of the mean paired difference of losses, a ratio of sums over examples, with its 95 % interval."""
    difference, items = outcome.sums - full.sums, full.counts
    mean = float(difference.sum() / items.sum())
    residuals = difference - mean * items
    n = len(items)
    error = math.sqrt(float(np.square(residuals).sum()) * n / (n - 1)) / float(items.sum())
    low, high = mean - _NORMAL * error, mean + _NORMAL * error
    return Interval(estimate=math.exp(mean), low=math.exp(low), high=math.exp(high))


def _narrower(supernet: nas.Supernet, share: float) -> SubnetConfig:
    """The share of the neurons that is ranked best, in every block."""
    layers = tuple(
        LayerUnits(
            heads=full.num_key_value_heads,
            queries=full.queries_per_head,
            ffn=round(full.intermediate_size * share),
        )
        for full in supernet.shape.layers
    )
    return SubnetConfig(hidden=supernet.shape.hidden_size, layers=layers)


def _shallower(supernet: nas.Supernet, number: int) -> SubnetConfig:
    """Without the least important blocks; the first stays, since it has none before it."""
    dropped = [layer for layer in supernet.layer_order if layer > 0][-number:]
    layers = tuple(None if i in dropped else units for i, units in enumerate(supernet.full.layers))
    return SubnetConfig(hidden=supernet.shape.hidden_size, layers=layers)


def _minilm() -> Case:
    """Fine-tuned on SST-2 for 300 steps."""
    supernet = nas.Supernet.from_pretrained(_folder(minilm()), num_labels=2)
    parts = {
        part: nas.encode(
            nas.load_examples(_SST2 / f"{part}.tsv", text="sentence", limit=limit),
            supernet.tokenizer,
            max_length=64,
        )
        for part, limit in (("train", 10_000), ("dev", 1_000))
    }
    nas.train_supernet(supernet, parts["train"], strategy="standard", budget=nas.Budget(passes=300))
    supernet.rank("minitron", parts["train"].calibration(_SENTENCES, batch_size=32))
    return Case(
        name="MiniLM, SST-2",
        supernet=supernet,
        held_out=parts["dev"],
        examples=_SENTENCES,
        dropped=(1, 2),
        batch_size=64,
    )


def _smollm2() -> Case:
    """As it was published, with biases of zero, in bfloat16."""
    source, folder = _folder(smollm2()), _folder(english())
    plain = nas.Supernet.from_pretrained(source, task="causal-lm", dtype="bfloat16")
    supernet = add_output_biases(plain)
    tokenizer = AutoTokenizer.from_pretrained(source)
    calibration, held_out = (
        pack_texts(
            Texts(texts=load_texts(folder / f"{name}.jsonl").texts).limit(limit), tokenizer, max_length=256
        ).limit(64)
        for name, limit in (("openwebtext", 150), ("wikipedia", 150))
    )
    supernet.rank("minitron", calibration.calibration(_BLOCKS, batch_size=4))
    return Case(
        name="SmolLM2-135M",
        supernet=supernet,
        held_out=held_out,
        examples=_BLOCKS,
        dropped=(3, 6),
        batch_size=4,
    )


def _tiny() -> Case:
    """Random weights and tokens."""
    supernet = random_supernet(TINY)
    generator = np.random.default_rng(0)
    lengths = np.full(96, 12)
    data = EncodedDataset(
        tokens=generator.integers(5, 100, lengths.sum()).astype(np.int32),
        offsets=offsets_of(lengths),
        token_types=None,
        labels=generator.integers(0, 2, len(lengths)),
        label_names=("a", "b"),
        max_length=12,
        pad_token_id=0,
        padding_side="right",
    )
    supernet.rank("minitron", data.calibration(64))
    return Case(name=TINY, supernet=supernet, held_out=data, examples=64, dropped=(1,), batch_size=32)


def _folder(asset: Asset) -> Path:
    if asset.folder is None:
        raise SystemExit(asset.reason)
    return asset.folder
