"""The config file: strict reading, overrides, checked sections, template and JSON Schema."""

from __future__ import annotations

from nas.config.documents import load_toml, load_yaml
from nas.config.durations import parse_duration
from nas.config.loading import apply_overrides, json_schema, load_config, parse_config
from nas.config.models import SearchConfig
from nas.config.recovery import RecoverySection
from nas.config.search import SearchSection
from nas.config.sections import (
    DataSection,
    EvaluationSection,
    ExportSection,
    FinetuneSection,
    ModelSection,
    StorageSection,
    SupernetSection,
    TargetSection,
    TrainSection,
    WorkersSection,
)
from nas.config.space import SpaceSection, ValueRange
from nas.config.template import TemplateName, template

__all__ = [
    "DataSection",
    "EvaluationSection",
    "ExportSection",
    "FinetuneSection",
    "ModelSection",
    "RecoverySection",
    "SearchConfig",
    "SearchSection",
    "SpaceSection",
    "StorageSection",
    "SupernetSection",
    "TargetSection",
    "TemplateName",
    "TrainSection",
    "ValueRange",
    "WorkersSection",
    "apply_overrides",
    "json_schema",
    "load_config",
    "load_toml",
    "load_yaml",
    "parse_config",
    "parse_duration",
    "template",
]
