"""What a model folder may not ask of transformers: code of its author, kernels, adapters, other weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from nas.errors import ConfigError, UnsupportedModelError

#: Entries of a config that would run code of the model's author, or weights of another kind.
REFUSED_KEYS: Final = (
    "auto_map",
    "custom_pipelines",
    "custom_generate",
    "trust_remote_code",
    "quantization_config",
    "kernel_config",
    "use_kernels",
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_internal",
    "experts_implementation",
    "_experts_implementation",
    "_experts_implementation_internal",
)
#: Files beside the weights that transformers reads when it loads a model or a tokenizer.
_READ_ALONG: Final = ("tokenizer_config.json", "generation_config.json")
_ADAPTERS: Final = "adapter_config.json"
_INDEX: Final = "model.safetensors.index.json"
_SHARD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.safetensors")
_MAX_BYTES: Final = 16 * 1024 * 1024


def refuse_unsafe(path: Path) -> None:
    """Refuse a config.json that asks for code or quantised weights, or has files beside it that do.

    Raises:
        ConfigError: the file is missing, too large or no JSON object, or an index names foreign files.
        UnsupportedModelError: it has an entry of `REFUSED_KEYS` at any depth, or there are adapters.
    """
    if not path.is_file():
        raise ConfigError(f"{path.parent} is no model folder: it has no config.json")
    found = [f"{path} has {key!r}" for key in refused_entries(_read(path))]
    for file in (path.with_name(name) for name in _READ_ALONG):
        if file.is_file():
            found += [f"{file} has {key!r}" for key in refused_entries(_read(file))]
    adapters = path.with_name(_ADAPTERS)
    found += [str(adapters)] if adapters.exists() else []
    if found:
        raise UnsupportedModelError(
            f"{found[0]}, which this library does not follow; "
            "load the model yourself and pass it to Supernet.from_model"
        )
    _check_index(path.with_name(_INDEX))


def refused_entries(value: object, where: str = "") -> Iterator[str]:
    """Names of the entries of `REFUSED_KEYS` that are set, with dots where they are nested."""
    children: Any = value.items() if isinstance(value, Mapping) else ()
    for key, child in children:
        if key in REFUSED_KEYS and child:
            yield f"{where}{key}"
        yield from refused_entries(child, f"{where}{key}.")
    for child in value if isinstance(value, list | tuple) else ():
        yield from refused_entries(child, where)


def _check_index(path: Path) -> None:
    """Shards lie in the folder itself and are safetensors: transformers unpickles any other suffix.

    Raises:
        ConfigError: one is not.
    """
    if not path.is_file():
        return
    shards = _read(path).get("weight_map")
    names = shards.values() if isinstance(shards, dict) else [None]
    foreign = [name for name in names if not isinstance(name, str) or not _SHARD.fullmatch(name)]
    if foreign:
        raise ConfigError(
            f"{path} names {str(foreign[0])[:80]!r} as a file of weights; only .safetensors files of the "
            "same folder are read"
        )


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_BYTES:
        raise ConfigError(f"{path} is larger than {_MAX_BYTES // 2**20} MiB")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ConfigError(f"{path} is not a JSON object")
    return record
