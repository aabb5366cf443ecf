"""Files of the page: all of them lie in the wheel and are read once, so no name ever reaches the disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from nas.service.problems import not_found

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES: Final = MappingProxyType(
    {
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
)
_FOLDERS: Final = ("assets", "assets/vendor")
_FOR_A_YEAR: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file that browsers load.

    Attributes:
        version: of its content, so that an address of it never changes its meaning.
    """

    content: bytes
    media_type: str
    version: str


@cache
def assets() -> MappingProxyType[str, Asset]:
    """Every asset by the name in its address."""
    found: dict[str, Asset] = {}
    for folder in _FOLDERS:
        for file in files("nas.service.web").joinpath(folder).iterdir():
            media_type = _MEDIA_TYPES.get(file.name.rpartition(".")[2])
            if media_type is not None and file.is_file():
                content = file.read_bytes()
                version = hashlib.sha256(content).hexdigest()[:12]
                found[file.name] = Asset(content=content, media_type=media_type, version=version)
    return MappingProxyType(found)


def asset_url(name: str) -> str:
    """Address of an asset."""
    return f"/assets/{name}?v={assets()[name].version}"


@router.get("/assets/{name}")
def read_asset(name: str, request: Request) -> Response:
    """A file of the page; kept by browsers for as long as its address names its version."""
    asset = assets().get(name)
    if asset is None:
        raise not_found()
    is_current = request.query_params.get("v") == asset.version
    caching = _FOR_A_YEAR if is_current else "no-cache"
    return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": caching})
