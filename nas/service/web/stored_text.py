"""Stored documents as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def yaml_text(document: Mapping[str, Any]) -> str:
    """A document as YAML, its keys in their order."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=110)
