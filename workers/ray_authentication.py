"""Ray's token authentication, by the environment variables that Ray reads."""

from __future__ import annotations

import importlib
import os
import secrets
from pathlib import Path
from typing import Any

from workers.protocol import PoolError

_AUTH_MODE = "RAY_AUTH_MODE"
_TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def provide_token(folder: Path) -> None:
    """Point Ray to a token of our own; left to itself it writes one into the home folder, readable by all.

    Raises:
        PoolError: token authentication is switched off. Ray listens on all addresses of the machine, and runs
            what anyone sends it.
    """
    mode = os.environ.get(_AUTH_MODE, "token")
    if mode.lower() != "token":
        raise PoolError(
            f"{_AUTH_MODE}={mode}: anyone who can reach this machine could run code in a Ray cluster without "
            f"authentication; set {_AUTH_MODE}=token, or leave it unset"
        )
    if any(map(os.environ.get, _TOKEN_VARIABLES)):
        return
    token = folder / "auth_token"
    descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    os.environ[_AUTH_MODE] = "token"


def require_token(address: str) -> None:
    """Choose token authentication for joining a cluster if a token is at hand.

    Raises:
        PoolError: it is switched off, or there is no token.
    """
    mode = os.environ.get(_AUTH_MODE)
    has_token = any(map(os.environ.get, _TOKEN_VARIABLES)) or (Path.home() / ".ray" / "auth_token").exists()
    if mode is None and has_token:
        os.environ[_AUTH_MODE] = mode = "token"
    if mode is None or mode.lower() != "token":
        raise PoolError(
            f"the Ray cluster at {address!r} would be joined with {_AUTH_MODE}={mode or 'unset'}; anyone on "
            f"its network could run code there. Start it with {_AUTH_MODE}=token, and set that and "
            f"RAY_AUTH_TOKEN_PATH here"
        )


def refresh() -> None:
    """Make Ray read the mode and the token again: it caches both for the life of the process."""
    raylet: Any = importlib.import_module("ray._raylet")  # Ray 2.60 has no public way
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()
