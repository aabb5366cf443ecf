"""The models that a service allows: that a folder is still what its operator put there."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nas.artifacts.files import file_sha256
from nas.errors import ConfigError
from nas.jobs.bundled import bundled_model

if TYPE_CHECKING:
    from nas.service.settings import ModelSource, ServiceSettings

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
#: Of each file its name, size, time of change and inode: what tells whether it must be hashed again.
_Signature: TypeAlias = "tuple[tuple[str, int, int, int], ...]"


def check_source(name: str, source: ModelSource) -> None:
    """Compare a model's folder with what the settings say of it.

    Weights are hashed again only after a file has changed. A folder that a hub's cache made bears its commit
    as its name, which must be the stated revision.

    Raises:
        ConfigError: the folder is gone, or holds another model than was allowed. The text shows no path.
    """
    folder = Path(source.path)
    if not (folder / "config.json").is_file():
        raise ConfigError(f"model {name!r} of this server has no folder any more; tell its operator")
    is_commit = _COMMIT.fullmatch(folder.name) is not None
    if source.revision is not None and is_commit and folder.name != source.revision:
        raise ConfigError(
            f"model {name!r} of this server is at revision {folder.name}, its settings say "
            f"{source.revision}; tell its operator"
        )
    if source.sha256 is not None and weights_sha256(folder) != source.sha256:
        raise ConfigError(
            f"the weights of model {name!r} are not those that this server's settings allow (their SHA-256 "
            "differs); tell its operator"
        )


def check_stored(config: Mapping[str, Any], settings: ServiceSettings) -> None:
    """Check the model of a stored search again, which may have waited long since it was submitted.

    Raises:
        ConfigError: the settings do not allow its model any more, or the folder has another one.
    """
    section = config.get("model")
    path = section.get("id") if isinstance(section, Mapping) else None
    named = {str(Path(source.path).absolute()): name for name, source in settings.models.items()}
    if path in named:
        check_source(named[path], settings.models[named[path]])
    elif path is not None and path != bundled_model():
        raise ConfigError("this server does not allow the model of this search any more; submit another one")


def weights_sha256(folder: Path) -> str:
    """SHA-256 of a model's weights: of `model.safetensors`, as its hub shows it.

    Of weights in shards, of the lines that `sha256sum *.safetensors` prints.
    """
    files = sorted(folder.glob("*.safetensors"))
    facts = [(path.name, path.stat()) for path in files]
    return _weights_sha256(folder, tuple((name, f.st_size, f.st_mtime_ns, f.st_ino) for name, f in facts))


@functools.lru_cache(maxsize=64)
def _weights_sha256(folder: Path, signature: _Signature) -> str:
    names = [name for name, *_ in signature]
    if names == ["model.safetensors"]:
        return file_sha256(folder / names[0])
    lines = (f"{file_sha256(folder / name)}  {name}\n" for name in names)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
