"""Where a service is and which token opens it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from nas.errors import ConfigError

URL_VARIABLE: Final = "NAS_SERVER"
TOKEN_VARIABLE: Final = "NAS_TOKEN"  # noqa: S105  # the name of a variable
TOKEN_FILE_VARIABLE: Final = "NAS_TOKEN_FILE"  # noqa: S105  # the name of a variable
ALLOW_HTTP_VARIABLE: Final = "NAS_ALLOW_HTTP"
DEFAULT_URL: Final = "http://127.0.0.1:8000"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,512}")
_LONGEST_FILE: Final = 4096


@dataclass(frozen=True, kw_only=True)
class Address:
    """A service and what opens it.

    Attributes:
        url: scheme, host and maybe a path, without a slash at its end.
        is_local: whether it is this machine, which no proxy needs to be asked for.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    is_local: bool


def find_address(
    url: str | None = None,
    token: str | None = None,
    *,
    allow_http: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Address:
    """The service of an argument or the environment, with its token.

    Raises:
        ConfigError: not a URL, a token that cannot be one, or a token that would travel unencrypted.
    """
    given = url or environ.get(URL_VARIABLE) or DEFAULT_URL
    parts = _parts(given)
    is_local = is_loopback(parts.hostname or "")
    is_allowed = allow_http or environ.get(ALLOW_HTTP_VARIABLE) == "1"
    if parts.scheme == "http" and not is_local and not is_allowed:
        raise ConfigError(
            f"{given} is not encrypted, and a token would travel with every request; use https, or where the "
            f"network itself is private say Client(allow_http=True) or {ALLOW_HTTP_VARIABLE}=1"
        )
    return Address(
        url=given.rstrip("/"), token=checked_token(token or _found_token(environ)), is_local=is_local
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or number alone; nothing is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_token(token: str | None) -> str | None:
    """A token that may stand in a header.

    Raises:
        ConfigError: other characters than those of a token; they are not repeated.
    """
    if token is not None and not _TOKEN.fullmatch(token):
        raise ConfigError(
            "the token is none of `nas token create`: it has other characters than letters, digits, _ and -"
        )
    return token


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        has_credentials = parts.username is not None or parts.password is not None
        is_plain = not (parts.query or parts.fragment)
        if parts.scheme in ("http", "https") and parts.hostname and is_plain and not has_credentials:
            _ = parts.port  # raises where it is no number
            return parts
    except ValueError:
        pass
    raise ConfigError(
        f"server {url.partition('#')[0].partition('?')[0]!r}: write http(s)://HOST[:PORT] "
        f"without user, query or fragment; a token is given by {TOKEN_VARIABLE}"
    )


def _found_token(environ: Mapping[str, str]) -> str | None:
    if token := environ.get(TOKEN_VARIABLE):
        return token
    path = environ.get(TOKEN_FILE_VARIABLE)
    if not path:
        return None
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_LONGEST_FILE).strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"{TOKEN_FILE_VARIABLE} {path}: {reason}") from None
