"""The page for whoever has no session: the same for everybody, whatever they asked for."""

from __future__ import annotations

from functools import cache

from nas.service.web.environment import environment


@cache
def login_page() -> str:
    """HTML that takes a token from the address's fragment, which no server sees, or from a field."""
    return environment().get_template("login.html").render()
