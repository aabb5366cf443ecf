"""Sections of the config file; each is frozen, strict in types and refuses unknown keys."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

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
    backend: Literal["torch", "torch_compile", "onnxruntime", "openvino"] = Field(
        default="torch", description="runtime that executes the sub-network; torch is eager"
    )
    device: Annotated[Text, AfterValidator(_check_device)] = Field(
        default="cpu", description="torch device: cpu, cuda or cuda:N"
    )
    dtype: DType = Field(default="float32", description="number format of weights and activations")
    batch_size: int = Field(default=1, ge=1, le=65_536, description="sequences a call")
    sequence_length: int = Field(
        default=128,
        ge=1,
        le=1_000_000,
        description="tokens a sequence; of the prompt, where tokens are generated",
    )
    threads: int = Field(default=1, ge=1, le=1024, description="CPU threads of one call")
    decode_length: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="tokens that a causal model generates; 0 times one forward pass",
    )
    labels: dict[Text, Text] = Field(
        default={}, max_length=32, description="labels of the Ray node to measure on, e.g. {device: edge}"
    )
    device_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = Field(
        default=None, description="fingerprint of a device whose measurements were imported; null measures"
    )


class WorkersSection(Section):
    """Where sub-networks are evaluated."""

    kind: Literal["serial", "ray"] = Field(default="ray", description="this process, or a Ray cluster")
    address: Text = Field(
        default="local", description="auto joins a running cluster, local starts one, or HOST:PORT"
    )
    num_workers: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="actors; null takes one a spare core here, and what a joined cluster has room for",
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
