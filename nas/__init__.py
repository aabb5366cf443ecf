"""Neural architecture search for pruned sub-networks of pretrained transformers.

Heavy libraries are imported when a name that needs them is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas import _packages
from nas._lazy import lazy
from nas._version import __version__
from nas.errors import (
    ConfigError,
    EvaluationFailedError,
    ExportVerificationError,
    InfeasibleError,
    NasError,
    StorageError,
    StudyNotFoundError,
    TargetUnavailableError,
    TooManyFailuresError,
    UnsupportedModelError,
)

_packages.check()

if TYPE_CHECKING:
    from nas.client import Client
    from nas.compensation import Compensation, Compensator, add_output_biases, compensate
    from nas.data import (
        EncodedDataset,
        Examples,
        ImageSettings,
        docstring_corpus,
        encode,
        encode_features,
        encode_images,
        encode_sentence_pairs,
        encode_tagged,
        encode_targets,
        load_examples,
        load_images,
        load_scored_pairs,
        load_tagged,
        load_text_pairs,
        load_texts,
        mask_texts,
        pack_texts,
    )
    from nas.evaluation import (
        DatasetEvaluator,
        Evaluator,
        LmEvalEvaluator,
        Quality,
        ScoreEvaluator,
        Target,
    )
    from nas.export import export_subnet, push_to_hub, verify_folder
    from nas.families import register_family
    from nas.racing import Racing
    from nas.recovery import RecoveryOptions, recover
    from nas.study import (
        Profile,
        Recovery,
        RecoveryReport,
        Study,
        Trial,
        create_study,
        delete_study,
        load_study,
    )
    from nas.supernet import Supernet
    from nas.training import Budget, Distillation, Lora, Teacher, TrainingReport, TrainOptions, train_supernet
    from search_spaces import Costs, LayerUnits, SearchSpace, SubnetConfig, Workload
    from workers import LatencyProtocol, RayPool, SerialPool

_MODULES = {
    "nas.client": ("Client",),
    "nas.compensation": ("Compensation", "Compensator", "add_output_biases", "compensate"),
    "nas.data": (
        "EncodedDataset",
        "Examples",
        "ImageSettings",
        "docstring_corpus",
        "encode",
        "encode_features",
        "encode_images",
        "encode_sentence_pairs",
        "encode_tagged",
        "encode_targets",
        "load_examples",
        "load_images",
        "load_scored_pairs",
        "load_tagged",
        "load_text_pairs",
        "load_texts",
        "mask_texts",
        "pack_texts",
    ),
    "nas.evaluation": (
        "DatasetEvaluator",
        "Evaluator",
        "LmEvalEvaluator",
        "Quality",
        "ScoreEvaluator",
        "Target",
    ),
    "nas.export": ("export_subnet", "push_to_hub", "verify_folder"),
    "nas.families": ("register_family",),
    "nas.racing": ("Racing",),
    "nas.recovery": ("RecoveryOptions", "recover"),
    "nas.study": (
        "Profile",
        "Recovery",
        "RecoveryReport",
        "Study",
        "Trial",
        "create_study",
        "delete_study",
        "load_study",
    ),
    "nas.supernet": ("Supernet",),
    "nas.training": (
        "Budget",
        "Distillation",
        "Lora",
        "Teacher",
        "TrainOptions",
        "TrainingReport",
        "train_supernet",
    ),
    "search_spaces": ("Costs", "LayerUnits", "SearchSpace", "SubnetConfig", "Workload"),
    "workers": ("LatencyProtocol", "RayPool", "SerialPool"),
}
__all__ = [
    "Budget",
    "Client",
    "Compensation",
    "Compensator",
    "ConfigError",
    "Costs",
    "DatasetEvaluator",
    "Distillation",
    "EncodedDataset",
    "EvaluationFailedError",
    "Evaluator",
    "Examples",
    "ExportVerificationError",
    "ImageSettings",
    "InfeasibleError",
    "LatencyProtocol",
    "LayerUnits",
    "LmEvalEvaluator",
    "Lora",
    "NasError",
    "Profile",
    "Quality",
    "Racing",
    "RayPool",
    "Recovery",
    "RecoveryOptions",
    "RecoveryReport",
    "ScoreEvaluator",
    "SearchSpace",
    "SerialPool",
    "StorageError",
    "Study",
    "StudyNotFoundError",
    "SubnetConfig",
    "Supernet",
    "Target",
    "TargetUnavailableError",
    "Teacher",
    "TooManyFailuresError",
    "TrainOptions",
    "TrainingReport",
    "Trial",
    "UnsupportedModelError",
    "Workload",
    "__version__",
    "add_output_biases",
    "compensate",
    "create_study",
    "delete_study",
    "docstring_corpus",
    "encode",
    "encode_features",
    "encode_images",
    "encode_sentence_pairs",
    "encode_tagged",
    "encode_targets",
    "export_subnet",
    "load_examples",
    "load_images",
    "load_scored_pairs",
    "load_study",
    "load_tagged",
    "load_text_pairs",
    "load_texts",
    "mask_texts",
    "pack_texts",
    "push_to_hub",
    "recover",
    "register_family",
    "train_supernet",
    "verify_folder",
]


if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)


def __dir__() -> list[str]:
    return sorted(__all__)
