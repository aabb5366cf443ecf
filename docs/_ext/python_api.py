"""The Python API: everything in `nas.__all__`, and the types that it returns, by autodoc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import nas

#: Names by what they are for; one that is missing here stands under "More".
GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "Models": ("Supernet", "register_family", "Workload", "Costs", "SubnetConfig", "LayerUnits"),
    "Studies": ("create_study", "load_study", "delete_study", "Study", "Trial", "Profile", "SearchSpace"),
    "Evaluation": (
        "Evaluator",
        "DatasetEvaluator",
        "ScoreEvaluator",
        "LmEvalEvaluator",
        "Quality",
        "Racing",
        "Target",
        "LatencyProtocol",
        "RayPool",
        "SerialPool",
    ),
    "Data": (
        "docstring_corpus",
        "load_examples",
        "load_texts",
        "load_text_pairs",
        "load_scored_pairs",
        "load_tagged",
        "load_images",
        "encode",
        "encode_features",
        "encode_images",
        "encode_sentence_pairs",
        "encode_tagged",
        "encode_targets",
        "mask_texts",
        "pack_texts",
        "EncodedDataset",
        "Examples",
        "ImageSettings",
    ),
    "Training": (
        "train_supernet",
        "Budget",
        "TrainOptions",
        "TrainingReport",
        "Distillation",
        "Lora",
        "Teacher",
    ),
    "Compensation and recovery": (
        "compensate",
        "Compensation",
        "Compensator",
        "add_output_biases",
        "recover",
        "RecoveryOptions",
        "Recovery",
        "RecoveryReport",
    ),
    "Export": ("export_subnet", "verify_folder", "push_to_hub"),
}
#: Types that functions above return without their being names of `nas`.
RETURNED: Final[Mapping[str, Sequence[str]]] = {
    "Export": ("nas.export.ExportReport", "nas.export.VerificationReport", "nas.export.ExportFacts"),
    "Studies": ("nas.study.plots.StudyPlots",),
}
_NOT_OBJECTS: Final = ("__version__",)


def markdown() -> str:
    """A section a group; errors come last."""
    errors = [name for name in nas.__all__ if name.endswith("Error")]
    known = {name for names in GROUPS.values() for name in names}
    others = [name for name in nas.__all__ if name not in known and name not in (*errors, *_NOT_OBJECTS)]
    groups = {**GROUPS, "More": others, "Errors": errors}
    return "\n".join(_section(title, names) for title, names in groups.items() if names)


def _section(title: str, names: Sequence[str]) -> str:
    blocks = [_block(f"nas.{name}", getattr(nas, name)) for name in names]
    blocks += [f".. autoclass:: {name}\n   :members:\n" for name in RETURNED.get(title, ())]
    return f"## {title}\n\n```{{eval-rst}}\n{chr(10).join(blocks)}\n```\n"


def _block(path: str, thing: object) -> str:
    if not isinstance(thing, type):
        return f".. autofunction:: {path}\n"
    if issubclass(thing, BaseException):
        return f".. autoexception:: {path}\n   :show-inheritance:\n"
    return f".. autoclass:: {path}\n   :members:\n   :inherited-members:\n"
