"""Writing a sub-network as an ordinary model folder, and proving it equal to what was searched."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from transformers import PreTrainedModel

from nas.artifacts.files import file_sha256
from nas.conversion import Runtime
from nas.errors import ConfigError, ExportVerificationError
from nas.export.card import model_card
from nas.export.checksums import SUMS, file_names, write_sums
from nas.export.custom_config import custom_config
from nas.export.facts import ExportFacts
from nas.export.fresh_process import Expected, prove
from nas.export.heads import auto_class_for
from nas.export.modelling import modelling_name, modelling_source
from nas.export.pictures import picture_names, write_pictures
from nas.export.record import RECORD, build_record, write_record
from nas.export.reference import Reference, reference_of
from nas.export.runtimes import runtimes_of, write_runtime
from nas.export.size_limit import SizeLimit
from nas.export.source_files import copy_processor_files
from nas.supernet import Supernet
from nas.supernet.checkpoint import new_folder, recover
from nas.supernet.loading import quiet_transformers
from search_spaces import Portability, SubnetConfig, portability

_log = logging.getLogger(__name__)

#: Called with the finished folder before it gets its name; returns the budgets that it breaks, as text.
BudgetCheck: TypeAlias = Callable[[Path], Sequence[str]]
#: Weights above it are split over several files.
MAX_SHARD_SIZE: Final = "5GB"
_SHARD_SIZE: Final = re.compile(r"\d{1,6}(\.\d{1,6})?\s?[KMG]i?B", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """A folder that passed every gate.

    Attributes:
        key: of the sub-network.
        portability: `plain` loads with the stock class, `custom-code` with `trust_remote_code`.
        auto_class: class of transformers that loads it.
        formats: `hf`, and the runtimes that it has files for.
        max_difference: largest difference of outputs between the reloaded folder and the searched
            sub-network.
        tolerance: what was allowed.
        runtime_differences: the same for each runtime.
        sha256: of SHA256SUMS, so of the whole folder.
        files: names relative to the folder.
    """

    folder: Path
    key: str
    portability: Portability
    auto_class: str
    formats: tuple[str, ...]
    num_parameters: int
    max_difference: float
    tolerance: float
    runtime_differences: Mapping[str, float]
    sha256: str
    files: tuple[str, ...]


def export_subnet(
    supernet: Supernet,
    config: SubnetConfig,
    folder: str | Path,
    *,
    facts: ExportFacts,
    formats: Sequence[str] = ("hf",),
    weights: Mapping[str, torch.Tensor] | None = None,
    max_shard_size: str = MAX_SHARD_SIZE,
    max_bytes: int | None = None,
    sample_inputs: Mapping[str, torch.Tensor] | None = None,
    front: str | None = None,
    check_budget: BudgetCheck | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Write a sub-network as a model folder; it appears whole and proven, or not at all.

    A fresh process that cannot import this project loads the folder and must give the outputs of the active
    supernet and generate the same tokens, with and without a key-value cache. A sub-network that no stock
    class can build gets a modelling file of its own.

    Args:
        supernet: where the weights come from; left as it is.
        config: what to keep of it.
        folder: a new one; its parent is made if needed.
        facts: how the sub-network was found, for the model card and nas.json.
        formats: `onnx` and `openvino` besides `hf`, which is always written.
        weights: of its own in place of slices, by the full model's names: compensated or recovered ones.
        max_shard_size: weights above it are split over several files.
        max_bytes: what the folder may take at most.
        sample_inputs: a batch to compare on, stored in the folder; random ones unless given.
        front: SVG of the front that the sub-network was chosen from, for the model card.
        check_budget: measures the finished folder against the budgets.
        overwrite: replace an earlier export of that name.

    Raises:
        ConfigError: the folder exists (with `overwrite`, as something else than an export), facts, formats or
            inputs are not allowed, a weight does not fit, a format's packages are missing, or the folder
            became larger than `max_bytes`.
        SpaceError: units that the model does not have.
        UnsupportedModelError: no modelling file can be written for the architecture.
        ExportVerificationError: the reloaded folder differs, cannot be converted, or breaks a budget.
        StorageError: no space, or the folder cannot be written.
    """
    path, config = Path(folder).absolute(), config.canonical(supernet.shape)
    recover(path)
    if not overwrite:
        _refuse_existing(path)
    runtimes = check_options(formats, max_shard_size)
    record = build_record(supernet, config, facts, runtimes, pictures=picture_names(front))
    model = supernet.extract(config, weights)
    reference = reference_of(supernet, config, sample_inputs, weights)
    size = _weight_bytes(model)
    with new_folder(path, needed_bytes=size * (1 + len(runtimes)), marker=RECORD) as temporary:
        limit = SizeLimit(folder=temporary, max_bytes=max_bytes)
        limit.check(coming_bytes=size)
        _write_model(temporary, model, supernet, config, max_shard_size)
        _write_runtimes(temporary, model, runtimes, limit)
        write_pictures(temporary, supernet.shape, config, record, front)
        _write_facts(temporary, supernet, config, record, reference)
        limit.check()
        expected = _expected(record, reference, runtimes)
        proof = prove(temporary, expected, is_custom=record["portability"] == "custom-code")
        _check_budget(temporary, check_budget)
        files, sha256 = (*file_names(temporary), SUMS), file_sha256(temporary / SUMS)
    _log.info("exported sub-network %s to %s", config.key, path)
    return ExportReport(
        folder=path,
        key=config.key,
        portability=record["portability"],
        auto_class=expected.auto_class,
        formats=tuple(record["formats"]),
        num_parameters=expected.num_parameters,
        max_difference=proof.max_difference,
        tolerance=reference.answers[0].tolerance(),
        runtime_differences=proof.runtimes,
        sha256=sha256,
        files=files,
    )


def check_options(formats: Sequence[str], max_shard_size: str) -> tuple[Runtime, ...]:
    """The runtimes among formats.

    Raises:
        ConfigError: an unknown format, one whose packages are missing, or a size that is none.
    """
    if _SHARD_SIZE.fullmatch(max_shard_size) is None:
        raise ConfigError(f"max_shard_size is {max_shard_size!r}; write a number with KB, MB or GB, e.g. 5GB")
    return runtimes_of(formats)


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} exists already; choose another folder, or allow overwriting")


def _weight_bytes(model: PreTrainedModel) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def _write_model(
    folder: Path, model: PreTrainedModel, supernet: Supernet, config: SubnetConfig, max_shard_size: str
) -> None:
    is_plain = portability(supernet.shape, config) == "plain"
    with quiet_transformers():
        # Stock classes translate the weights' names of older versions, custom code does not.
        model.save_pretrained(folder, max_shard_size=max_shard_size, save_original_format=is_plain)
        if supernet.tokenizer is not None:
            supernet.tokenizer.save_pretrained(folder)
    copy_processor_files(supernet.provenance, folder)
    shape, family = supernet.shape, supernet.family
    if not is_plain:
        source = modelling_source(supernet.model, shape, family)
        (folder / modelling_name(shape.model_type)).write_text(source, encoding="utf-8")
        entries = custom_config(supernet.model, shape, family, config, supernet.task)
        text = json.dumps(entries, indent=2, sort_keys=True)
        (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def _write_runtimes(
    folder: Path, model: PreTrainedModel, runtimes: Sequence[Runtime], limit: SizeLimit
) -> None:
    """Convert the model, which is not needed any more, in float32 on the processor."""
    if runtimes:
        plain: Any = model
        plain = plain.to(device="cpu", dtype=torch.float32).eval()
        for runtime in runtimes:
            limit.check(coming_bytes=_weight_bytes(plain))
            write_runtime(plain, runtime, folder)


def _write_facts(
    folder: Path,
    supernet: Supernet,
    config: SubnetConfig,
    record: Mapping[str, Any],
    reference: Reference,
) -> None:
    reference.save(folder)
    write_record(folder, record)
    (folder / "README.md").write_text(model_card(supernet, config, record), encoding="utf-8")
    for name in file_names(folder):  # safetensors writes files that only their owner may read
        shutil.copymode(folder / RECORD, folder / name)
    write_sums(folder)


def _expected(record: Mapping[str, Any], reference: Reference, runtimes: tuple[Runtime, ...]) -> Expected:
    probe = record["probe"]
    has_tokenizer = probe["token_ids"] is not None
    return Expected(
        reference=reference,
        num_parameters=record["costs"]["subnet"]["num_parameters"],
        auto_class=auto_class_for(record["task"], record["model_type"]),
        runtimes=runtimes,
        text=probe["text"] if has_tokenizer else None,
        token_ids=tuple(probe["token_ids"]) if has_tokenizer else None,
    )


def _check_budget(folder: Path, check: BudgetCheck | None) -> None:
    broken = list(check(folder)) if check is not None else []
    if broken:
        raise ExportVerificationError(f"the exported folder breaks its budget: {'; '.join(broken)}")
