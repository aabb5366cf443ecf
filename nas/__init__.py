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
    from nas.data import EncodedDataset, Examples, docstring_corpus, encode, load_examples
    from nas.evaluation import (
        DatasetEvaluator,
        Evaluator,
        LmEvalEvaluator,
        Quality,
        ScoreEvaluator,
        Target,
    )
    from nas.export import export_subnet, push_to_hub, verify_folder
    from nas.study import Profile, Study, Trial, create_study, delete_study, load_study
    from nas.supernet import Supernet
    from nas.training import Budget, TrainingReport, TrainOptions, train_supernet
    from search_spaces import Costs, LayerUnits, SearchSpace, SubnetConfig, Workload
    from workers import LatencyProtocol, RayPool, SerialPool

_MODULES = {
    "nas.data": ("EncodedDataset", "Examples", "docstring_corpus", "encode", "load_examples"),
    "nas.evaluation": (
        "DatasetEvaluator",
        "Evaluator",
        "LmEvalEvaluator",
        "Quality",
        "ScoreEvaluator",
        "Target",
    ),
    "nas.export": ("export_subnet", "push_to_hub", "verify_folder"),
    "nas.study": ("Profile", "Study", "Trial", "create_study", "delete_study", "load_study"),
    "nas.supernet": ("Supernet",),
    "nas.training": ("Budget", "TrainOptions", "TrainingReport", "train_supernet"),
    "search_spaces": ("Costs", "LayerUnits", "SearchSpace", "SubnetConfig", "Workload"),
    "workers": ("LatencyProtocol", "RayPool", "SerialPool"),
}
__all__ = [
    "Budget",
    "ConfigError",
    "Costs",
    "DatasetEvaluator",
    "EncodedDataset",
    "EvaluationFailedError",
    "Evaluator",
    "Examples",
    "ExportVerificationError",
    "InfeasibleError",
    "LatencyProtocol",
    "LayerUnits",
    "LmEvalEvaluator",
    "NasError",
    "Profile",
    "Quality",
    "RayPool",
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
    "TooManyFailuresError",
    "TrainOptions",
    "TrainingReport",
    "Trial",
    "UnsupportedModelError",
    "Workload",
    "__version__",
    "create_study",
    "delete_study",
    "docstring_corpus",
    "encode",
    "export_subnet",
    "load_examples",
    "load_study",
    "push_to_hub",
    "train_supernet",
    "verify_folder",
]


if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)


def __dir__() -> list[str]:
    return sorted(__all__)
