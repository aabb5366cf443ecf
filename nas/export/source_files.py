"""Files of image and speech processors, which models of these kinds cannot be used without."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

_log = logging.getLogger(__name__)
PROCESSOR_FILES: Final = ("preprocessor_config.json", "processor_config.json")


def copy_processor_files(provenance: Mapping[str, Any], folder: Path) -> None:
    """Copy what the source of a supernet has of them: a folder, or a hub id that was downloaded before.

    A file that asks for code is left out.
    """
    source = provenance.get("source")
    if not isinstance(source, str) or not source:
        return
    for name in PROCESSOR_FILES:
        found = _find(source, provenance.get("revision"), name)
        if found is not None and _is_plain(found):
            shutil.copyfile(found, folder / name)


def _find(source: str, revision: str | None, name: str) -> Path | None:
    if Path(source).is_dir():
        path = Path(source) / name
        return path if path.is_file() else None
    try:
        cached = try_to_load_from_cache(source, name, revision=revision)
    except HFValidationError:
        return None
    return Path(cached) if isinstance(cached, str) else None


def _is_plain(path: Path) -> bool:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    is_plain = isinstance(record, dict) and "auto_map" not in record
    if not is_plain:
        _log.warning("%s asks for code, so it is not handed over", path)
    return is_plain
