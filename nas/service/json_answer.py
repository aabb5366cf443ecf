"""JSON answers that are written as they are, without another pass through their model."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic_core import to_json


class JsonAnswer(Response):
    """Plain values as JSON; a route declares the model for its description."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Bytes of the body."""
        return to_json(content, inf_nan_mode="null")
