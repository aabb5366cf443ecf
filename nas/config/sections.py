"""Sections of the config file; each is frozen, strict in types and refuses unknown keys."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from nas.config.durations import parse_duration

Text: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")
]
DType: TypeAlias = Literal["float32", "bfloat16", "float16"]
Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]
TaskName: TypeAlias = Literal[
    "sequence-classification",
    "regression",
    "token-classification",
    "causal-lm",
    "seq2seq-lm",
    "masked-lm",
    "feature-extraction",
    "image-classification",
]
ImportanceName: TypeAlias = Literal[
    "magnitude_l1",
    "magnitude_l2",
    "lamp",
    "minitron",
    "flap",
    "wanda_sp",
    "gblm",
    "taylor_first",
    "taylor_vector",
    "taylor_mask",
    "fisher_diagonal",
    "fisher_mask",
    "block_influence",
    "contribution",
    "angular_window",
    "cosine_window",
    "ppl_drop",
    "finercut",
    "top",
    "bottom",
    "alternate",
    "symmetric",
    "random",
]
SeedName: TypeAlias = Literal[
    "full",
    "smallest",
    "middle",
    "uniform_ladder",
    "layer_drop",
    "random",
    "importance_ladder",
    "greedy",
    "knapsack",
]

_DATABASE = re.compile(r"(sqlite|postgresql)(\+[a-z0-9]+)?://\S*")
_DEVICE = re.compile(r"cpu|cuda(:[0-9]{1,4})?")


def _check_url(url: str) -> str:
    if not _DATABASE.fullmatch(url):
        raise ValueError("write a database URL, e.g. sqlite:///nas.db or postgresql+psycopg://user@host/name")
    return url


def _check_device(device: str) -> str:
    if not _DEVICE.fullmatch(device):
        raise ValueError("write cpu, cuda or cuda:N")
    return device


def _check_unique(values: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a value is given twice; keep one")
    return values


Size: TypeAlias = Annotated[int, Field(ge=0, le=10_000_000)]


class Section(BaseModel):
    """Base of all sections."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelSection(Section):
    """The pretrained model."""

    id: Text = Field(description="a folder or a Hugging Face model id")
    task: TaskName = Field(description="what the model's head is for")
    num_labels: int | None = Field(
        default=None, ge=1, le=100_000, description="classes of a classification head"
    )
    revision: Text | None = Field(
        default=None, description="commit of the model, for results that can be repeated"
    )


class ValueRange(Section):
    """Evenly spaced sizes; a bound left out is the dimension's own."""

    min: Size | None = Field(default=None, description="smallest size")
    max: Size | None = Field(default=None, description="largest size, which step must reach")
    step: int | None = Field(default=None, ge=1, le=10_000_000, description="distance of neighbouring sizes")


Sizes: TypeAlias = Annotated[
    tuple[Size, ...], Field(min_length=1, max_length=4096), AfterValidator(_check_unique)
]


Step: TypeAlias = Annotated[int, Field(ge=1, le=10_000_000)]
_SPACE_OPTIONS = ("kind", "portability", "align", "frozen_layers", "rules", "ffn_group")
_LATER_SPACE_KEYS = (
    "ffn_ratio_percent",
    "head_dim",
    "align",
    "frozen_layers",
    "rules",
    "ffn_group",
)


class SpaceSection(Section):
    """What is searched; a dimension left out takes all sizes that are legal for the model."""

    kind: Literal["uniform", "joint", "medium", "staged", "layer", "sublayer", "large"] = Field(
        default="uniform",
        description="one size for all layers; the same with an FFN ratio; sizes a layer; uniform, then a "
        "layer; layers on or off; sub-layers on or off; heads and groups of neurons on or off",
    )
    num_hidden_layers: Sizes | ValueRange | None = Field(default=None, description="layers kept")
    num_encoder_layers: Sizes | ValueRange | None = Field(default=None, description="encoder layers kept")
    num_decoder_layers: Sizes | ValueRange | None = Field(default=None, description="decoder layers kept")
    num_attention_heads: Sizes | ValueRange | None = Field(
        default=None, description="heads kept in a layer of multi-head attention"
    )
    num_key_value_heads: Sizes | ValueRange | None = Field(
        default=None, description="key-value heads kept in a layer of grouped-query attention"
    )
    num_key_value_groups: Sizes | ValueRange | None = Field(
        default=None, description="query heads kept of each key-value head"
    )
    intermediate_size: Sizes | ValueRange | None = Field(default=None, description="FFN width of a layer")
    ffn_ratio_percent: Sizes | ValueRange | None = Field(
        default=None, description="FFN width in percent of hidden_size, in the joint space"
    )
    head_dim: Sizes | ValueRange | None = Field(
        default=None, description="channels of a head, in the joint space; only the full size is legal"
    )
    hidden_size: Sizes | ValueRange | None = Field(default=None, description="embedding dimension")
    portability: Literal["any", "plain"] = Field(
        default="any", description="plain: only sub-networks that load without custom code"
    )
    align: Step | dict[Text, Step] | None = Field(
        default=None,
        description="sizes are multiples of this, the full size excepted: of intermediate_size and "
        "hidden_size, or a number by dimension",
    )
    frozen_layers: tuple[Size, ...] = Field(
        default=(), max_length=4096, description="layers that keep all heads and neurons in every sub-network"
    )
    rules: tuple[Text, ...] = Field(
        default=(),
        max_length=100,
        description="what every sub-network obeys, e.g. [intermediate_size >= 2 * hidden_size]",
    )
    ffn_group: Step | None = Field(
        default=None, description="neurons a switch of the large space; null makes at most 16 groups a layer"
    )

    def identity(self) -> dict[str, object]:
        """The section for a hash of what a supernet was made from: equal for equal spaces.

        Keys that came later are left out where they have their defaults, so that older hashes stay valid.
        """
        record = self.model_dump(mode="json")
        return {name: value for name, value in record.items() if value or name not in _LATER_SPACE_KEYS}

    def choices(self) -> dict[str, tuple[int, ...] | dict[str, int]]:
        """The dimensions that are given, in the form in which `search_spaces.build_space` takes them."""
        names = [name for name in type(self).model_fields if name not in _SPACE_OPTIONS]
        given: dict[str, tuple[int, ...] | dict[str, int]] = {}
        for name in names:
            value: tuple[int, ...] | ValueRange | None = getattr(self, name)
            if isinstance(value, ValueRange):
                given[name] = value.model_dump(exclude_none=True)
            elif value is not None:
                given[name] = value
        return given


class FinetuneSection(Section):
    """How the full model is trained before its units are ranked."""

    passes: int = Field(
        default=500, ge=1, le=100_000_000, description="forward/backward passes to spend in all"
    )
    examples: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000_000,
        description="examples to spend in all, once a pass, instead of passes; null takes passes",
    )
    batch_size: int = Field(default=32, ge=1, le=65_536, description="examples a pass")
    accumulate: int = Field(
        default=1, ge=1, le=65_536, description="batches that count as one, a pass each, to save memory"
    )
    learning_rate: float = Field(default=1e-4, gt=0, lt=1, description="peak learning rate")
    precision: Precision = Field(
        default="auto", description="number format of the forward pass; auto takes the faster one"
    )
    frozen: tuple[Text, ...] = Field(
        default=(),
        max_length=100,
        description="weights whose name contains one of these stay as they are, e.g. [word_embeddings]",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="computes activations again in the backward pass, to save memory"
    )
    deterministic: bool = Field(
        default=False, description="only operations that give the same bits every time; slower on GPUs"
    )


class LoraSection(Section):
    """Low-rank adapters, merged when the training ends."""

    rank: int = Field(default=8, ge=1, le=4096, description="inner dimension of an adapter")
    alpha: float = Field(default=16.0, gt=0, le=1e6, description="adapters are scaled by alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="dropout of an adapter's input")
    targets: tuple[Text, ...] = Field(
        default=(), max_length=100, description="linear layers by a part of their name; empty takes all"
    )


class DistillationSection(Section):
    """Weights of what a sub-network learns from its teacher."""

    labels: float = Field(default=1.0, ge=0, le=1e6, description="weight of the labels; 0 for none")
    logits: float = Field(default=1.0, ge=0, le=1e6, description="weight of the teacher's logits")
    hidden: float = Field(default=0.0, ge=0, le=1e6, description="weight of the teacher's hidden states")
    temperature: float = Field(default=1.0, gt=0, le=1000, description="that logits are divided by")


class TrainSection(FinetuneSection):
    """How the supernet is trained."""

    strategy: Literal[
        "standard",
        "random",
        "random_linear",
        "ats",
        "sandwich",
        "kd",
        "sandwich_kd",
        "sorted",
        "layerdrop",
        "progressive",
    ] = Field(default="random", description="which sub-networks a step trains")
    random_subnets: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="random sub-networks a step of random, ats, sandwich, kd and sandwich_kd; null takes the "
        "strategy's own number",
    )
    sampler: Literal["uniform", "stratified_params", "grid_params"] = Field(
        default="uniform", description="how random sub-networks are drawn"
    )
    trainable: Literal["all", "lora", "perp"] = Field(
        default="all", description="all weights, low-rank adapters, or biases, norms and head"
    )
    lora: LoraSection = Field(default_factory=LoraSection, description="the adapters")
    teacher: Literal["in-place", "frozen"] = Field(
        default="in-place",
        description="the full network of the same step, or a copy of it from before that teaches all passes",
    )
    distillation: DistillationSection = Field(
        default_factory=DistillationSection, description="what is learnt from the teacher"
    )
    ranks: int = Field(default=1, ge=1, le=4096, description="processes that share each batch, by Ray Train")


class ImportanceSection(Section):
    """The method that ranks each axis; an axis left out keeps its order."""

    hidden: Literal["pca_rotation", ImportanceName] | None = Field(
        default=None, description="channels of the residual stream"
    )
    heads: ImportanceName | None = Field(default=None, description="attention heads")
    ffn: ImportanceName | None = Field(default=None, description="neurons")
    layers: ImportanceName | None = Field(default=None, description="layers")


class SupernetSection(Section):
    """How units are ranked, and what is trained before and after that."""

    importance: Literal["default", "pca_rotation", ImportanceName] | ImportanceSection = Field(
        default="default", description="ranking of units: one name, or a name for each axis"
    )
    calibration: int = Field(default=256, ge=1, le=10_000_000, description="examples used for ranking")
    finetune: FinetuneSection | None = Field(
        default=None,
        description="ordinary training of the full model before the ranking, which a fresh head needs",
    )
    train: TrainSection | None = Field(default=None, description="null searches the ranked model untrained")
    checkpoint: Text | None = Field(default=None, description="folder of a saved supernet to start from")

    @property
    def methods(self) -> str | dict[str, str]:
        """The importance as `Supernet.rank` takes it."""
        if isinstance(self.importance, str):
            return self.importance
        given: dict[str, str] = self.importance.model_dump(exclude_none=True)
        return given


class DataSection(Section):
    """Examples: local files, or the bundled `docstrings`; what they hold depends on the task."""

    train: Text | None = Field(default=None, description="examples to train on: a file, or docstrings")
    validation: Text = Field(description="examples that sub-networks are scored on: a file, or docstrings")
    test: Text | None = Field(default=None, description="examples that only the final front is scored on")
    text: Text | None = Field(
        default=None, description="column of the text, source or words; null finds the usual names"
    )
    text_pair: Text | None = Field(default=None, description="column of the second text of a pair")
    label: Text | None = Field(
        default=None, description="column of the label, tags, target or score; null finds the usual names"
    )
    max_length: int = Field(default=128, ge=1, le=1_000_000, description="tokens of an example or block")
    max_target_length: int | None = Field(
        default=None, ge=1, le=1_000_000, description="tokens of a target text; null takes max_length"
    )
    score_range: Annotated[tuple[float, ...], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="lowest and highest score of similarity, e.g. [0, 5]; null takes [0, 1]"
    )
    limit: int | None = Field(default=None, ge=1, description="examples used of each file; null takes all")


class CompensationSection(Section):
    """What makes up for removed units and dropped blocks before a sub-network is scored."""

    units: Literal["none", "bias", "lstsq", "lstsq_bias", "mask_scale"] = Field(
        default="lstsq", description="what is done to projections that lost heads or neurons"
    )
    layers: Literal["drop", "merge", "linear_fit"] = Field(
        default="drop", description="what is done for dropped blocks"
    )
    examples: int = Field(default=256, ge=1, le=10_000_000, description="calibration examples used")


class EvaluationSection(Section):
    """How the quality of a sub-network is measured."""

    metrics: tuple[Text, ...] = Field(
        default=(),
        max_length=32,
        description="metrics to compute beside those of objectives and constraints; empty takes the task's",
    )
    batch_size: Literal["auto"] | Annotated[int, Field(ge=1, le=65_536)] = Field(
        default="auto",
        description="examples a forward pass; auto cuts texts for little padding and bounded memory",
    )
    precision: Precision = Field(
        default="auto",
        description="number format; auto takes bfloat16 where it is faster and scores the full model alike",
    )
    compensation: CompensationSection | None = Field(
        default=None, description="closed-form compensation of sub-networks; null scores plain slices"
    )


class TargetSection(Section):
    """The device that latency is measured on, and the workload that is timed."""

    name: Text = Field(default="local", description="name that reports show")
    backend: Literal["torch"] = Field(default="torch", description="runtime that executes the sub-network")
    device: Annotated[Text, AfterValidator(_check_device)] = Field(
        default="cpu", description="torch device: cpu, cuda or cuda:N"
    )
    dtype: DType = Field(default="float32", description="number format of weights and activations")
    batch_size: int = Field(default=1, ge=1, le=65_536, description="sequences a call")
    sequence_length: int = Field(default=128, ge=1, le=1_000_000, description="tokens a sequence")
    threads: int = Field(default=1, ge=1, le=1024, description="CPU threads of one call")


class RacingSection(Section):
    """How evaluations are stopped early."""

    stages: Annotated[
        tuple[Annotated[int, Field(ge=1, le=1_000_000_000)] | Literal["all"], ...], Field(max_length=100)
    ] = Field(
        default=(),
        description="examples after which a sub-network is judged, e.g. [64, 256, all]; empty takes 32 and "
        "half as many again each time",
    )
    confidence: float = Field(
        default=0.85, gt=0.5, lt=1, description="of the bound that keeps a sub-network in the race, one-sided"
    )
    bound: Literal["normal", "anytime"] = Field(
        default="normal",
        description="normal errors of means, or a bound for any distribution and all stages together, which "
        "needs a metric that scores examples from 0 to 1",
    )
    rescue: bool = Field(
        default=True, description="continues paused sub-networks that may still be on the front"
    )


class SearchSection(Section):
    """How sub-networks are proposed and how many."""

    sampler: Literal[
        "nsga2", "nsga3", "tpe", "gp", "random", "local_search", "evolution", "greedy", "grid"
    ] = Field(default="evolution", description="who proposes sub-networks")
    trials: int = Field(default=200, ge=1, le=1_000_000, description="sub-networks to propose")
    timeout_s: (
        Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=float | str)] | None
    ) = Field(
        default=None, alias="timeout", description="time after which no trial is started, e.g. 4h, 30m, 90s"
    )
    parallel: int = Field(
        default=4, ge=1, le=4096, description="sub-networks proposed at once in deterministic mode"
    )
    max_failed: int = Field(
        default=10, ge=0, description="failed trials above which the search counts as failed"
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="seed of all random choices")
    deterministic: bool = Field(
        default=False, description="the same seed gives the same trials in every run, at some speed"
    )
    racing: RacingSection | None = Field(
        default_factory=RacingSection,
        description="stops evaluations that cannot reach the front; null evaluates all in full",
    )
    enqueue: tuple[SeedName, ...] = Field(
        default=("full", "smallest", "middle", "uniform_ladder", "layer_drop", "knapsack", "random"),
        description="sub-networks to evaluate first, baselines among them",
    )


class WorkersSection(Section):
    """Where sub-networks are evaluated."""

    kind: Literal["serial", "ray"] = Field(default="ray", description="this process, or a Ray cluster")
    address: Text = Field(
        default="local", description="auto joins a running cluster, local starts one, or HOST:PORT"
    )
    num_workers: int | None = Field(
        default=None, ge=1, le=4096, description="actors; null takes one a spare core"
    )
    gpus_per_worker: float = Field(default=0.0, ge=0, le=64, description="GPUs an actor, also a fraction")


class StorageSection(Section):
    """Where results are kept."""

    url: Annotated[Text, AfterValidator(_check_url)] = Field(
        default="sqlite:///nas.db", description="database URL"
    )
    artifacts: Text = Field(default="artifacts", description="folder of checkpoints and exports")


class ExportSection(Section):
    """What the selected sub-network is written as."""

    formats: Annotated[tuple[Literal["hf", "onnx", "openvino"], ...], Field(min_length=1)] = Field(
        default=("hf",),
        description="files of the folder: hf (always written), onnx for ONNX Runtime, openvino for OpenVINO",
    )
