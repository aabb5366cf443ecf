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
SeedName: TypeAlias = Literal["full", "smallest", "middle", "uniform_ladder", "layer_drop", "random"]

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


class SpaceSection(Section):
    """What is searched; a dimension left out takes all sizes that are legal for the model."""

    kind: Literal["uniform", "medium", "layer", "sublayer"] = Field(
        default="uniform",
        description="one size for all layers, sizes a layer, layers on or off, sub-layers on or off",
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
    hidden_size: Sizes | ValueRange | None = Field(default=None, description="embedding dimension")
    portability: Literal["any", "plain"] = Field(
        default="any", description="plain: only sub-networks that load without custom code"
    )

    def choices(self) -> dict[str, tuple[int, ...] | dict[str, int]]:
        """The dimensions that are given, in the form in which `search_spaces.build_space` takes them."""
        names = [name for name in type(self).model_fields if name not in ("kind", "portability")]
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
    batch_size: int = Field(default=32, ge=1, le=65_536, description="examples a pass")
    learning_rate: float = Field(default=1e-4, gt=0, lt=1, description="peak learning rate")
    precision: Precision = Field(
        default="auto", description="number format of the forward pass; auto takes the faster one"
    )
    frozen: tuple[Text, ...] = Field(
        default=(),
        max_length=100,
        description="weights whose name contains one of these stay as they are, e.g. [word_embeddings]",
    )


class TrainSection(FinetuneSection):
    """How the supernet is trained."""

    strategy: Literal["standard", "random", "sandwich", "sandwich_kd"] = Field(
        default="sandwich_kd", description="which sub-networks a step trains"
    )
    passes: int = Field(
        default=2000, ge=1, le=100_000_000, description="forward/backward passes to spend in all"
    )
    temperature: float = Field(default=1.0, gt=0, le=1000, description="temperature of distillation")


class SupernetSection(Section):
    """How units are ranked, and what is trained before and after that."""

    importance: Text | dict[Text, Text] = Field(
        default="default", description="ranking of units: one name, or a name for each axis"
    )
    calibration: int = Field(default=256, ge=1, le=10_000_000, description="examples used for ranking")
    finetune: FinetuneSection | None = Field(
        default=None,
        description="ordinary training of the full model before the ranking, which a fresh head needs",
    )
    train: TrainSection | None = Field(default=None, description="null searches the ranked model untrained")
    checkpoint: Text | None = Field(default=None, description="folder of a saved supernet to start from")


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


class EvaluationSection(Section):
    """How the quality of a sub-network is measured."""

    metrics: tuple[Text, ...] = Field(
        default=(),
        max_length=32,
        description="metrics to compute beside those of objectives and constraints; empty takes the task's",
    )
    batch_size: int = Field(default=64, ge=1, le=65_536, description="examples a forward pass")
    precision: Precision = Field(
        default="auto",
        description="number format; auto takes bfloat16 where it is faster and scores the full model alike",
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


class SearchSection(Section):
    """How sub-networks are proposed and how many."""

    sampler: Literal["nsga2", "tpe", "random"] = Field(default="tpe", description="who proposes sub-networks")
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
    enqueue: tuple[SeedName, ...] = Field(
        default=("full", "smallest", "middle", "uniform_ladder", "layer_drop", "random"),
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
