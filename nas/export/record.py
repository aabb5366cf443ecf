"""nas.json: what a program needs to know about an exported folder."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from nas._version import __version__
from nas.errors import ConfigError, ExportVerificationError
from nas.export.facts import ExportFacts
from nas.export.heads import auto_class_of
from nas.supernet import Supernet
from search_spaces import Portability, SpaceError, SubnetConfig, portability

RECORD: Final = "nas.json"
FORMAT: Final = 1
#: Tokenized by the supernet's tokenizer and by the folder's, which must agree.
PROBE_TEXT: Final = "A sub-network answers as the supernet does, only sooner: 1, 2, 3."
_PACKAGES: Final = ("torch", "transformers", "safetensors", "tokenizers")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The part of nas.json that verification reads back.

    Attributes:
        key: of the sub-network.
        formats: what its files are for.
        token_ids: tokens of the probe text, None without a tokenizer.
    """

    key: str
    model_type: str
    task: str
    portability: Portability
    formats: tuple[str, ...]
    num_parameters: int
    token_ids: tuple[int, ...] | None
    study: str | None
    trial: int | None


def build_record(
    supernet: Supernet,
    config: SubnetConfig,
    facts: ExportFacts,
    runtimes: Sequence[str] = (),
    *,
    pictures: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything about an export, in an order fit for reading; `runtimes` stand besides `hf`.

    Raises:
        ConfigError: facts that are not JSON, or that are not this sub-network's; a task without a head.
    """
    auto_class_of(supernet.task, supernet.model.config)
    costs = supernet.cost(config, facts.workload)
    stated = facts.metrics.get("num_parameters", costs.num_parameters)
    if stated != costs.num_parameters:
        raise ConfigError(
            f"facts say {stated:.0f} parameters, but sub-network {config.key} has {costs.num_parameters}; "
            "give the facts of the sub-network that is exported"
        )
    record = {
        "format": FORMAT,
        "key": config.key,
        "portability": portability(supernet.shape, config),
        "model_type": supernet.shape.model_type,
        "task": supernet.task,
        "formats": ["hf", *runtimes],
        "config": config.to_json(),
        **_facts(facts),
        "costs": {
            "workload": asdict(facts.workload),
            "subnet": asdict(costs),
            "full": asdict(supernet.cost(supernet.full, facts.workload)),
        },
        "supernet": {
            "sha256": supernet.sha256,
            "provenance": _without_paths(supernet.provenance),
            "ranking": supernet.ranking,
            "layer_order": list(supernet.layer_order),
        },
        "pictures": list(pictures),
        "probe": {"text": PROBE_TEXT, "token_ids": _token_ids(supernet)},
        "versions": _versions(),
    }
    return _plain(record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write nas.json."""
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_identity(folder: Path) -> Identity:
    """Read what verification needs of nas.json.

    Raises:
        ExportVerificationError: it cannot be read, has another format, or contradicts itself.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ExportVerificationError(
                f"{path} has format {record['format']!r}; this version reads {FORMAT}"
            )
        token_ids = record["probe"]["token_ids"]
        identity = Identity(
            key=record["key"],
            model_type=str(record["model_type"]),
            task=str(record["task"]),
            portability="custom-code" if record["portability"] == "custom-code" else "plain",
            formats=tuple(map(str, record.get("formats", ["hf"]))),
            num_parameters=record["costs"]["subnet"]["num_parameters"],
            token_ids=None if token_ids is None else tuple(token_ids),
            study=record["study"],
            trial=record["trial"],
        )
        key = SubnetConfig.from_json(record["config"]).key
    except (OSError, ValueError, KeyError, TypeError, SpaceError) as error:
        raise ExportVerificationError(f"{path} cannot be read: {error!r}") from error
    if key != identity.key:
        raise ExportVerificationError(f"{path} names sub-network {identity.key}, but describes {key}")
    return identity


def _facts(facts: ExportFacts) -> dict[str, Any]:
    """The facts in the order of their declaration; the workload stands beside the costs."""
    return {name: value for name, value in vars(facts).items() if name != "workload"}


def _without_paths(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Folders of this machine by their last name only: an export is made to be given away."""
    source = provenance.get("source")
    if isinstance(source, str) and (Path(source).is_absolute() or Path(source).exists()):
        return {**provenance, "source": Path(source).name}
    return dict(provenance)


def _token_ids(supernet: Supernet) -> list[int] | None:
    return None if supernet.tokenizer is None else list(supernet.tokenizer(PROBE_TEXT)["input_ids"])


def _versions() -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"subnas": __version__, "python": platform.python_version(), **versions}


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    def unwrap(value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        raise TypeError(f"{type(value).__name__} {value!r}")

    try:
        text = json.dumps(record, default=unwrap, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the facts of an export must be JSON with finite numbers: {error}") from error
    return json.loads(text)  # type: ignore[no-any-return]  # a dict was dumped
