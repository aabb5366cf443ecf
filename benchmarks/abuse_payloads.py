"""Names that try to lead out of a folder: plain, encoded once and twice, mixed, absolute, and odd."""

from __future__ import annotations

from itertools import product
from typing import Final
from urllib.parse import quote

_UP: Final = (
    "../",
    "..\\",
    "..%2f",
    "..%5c",
    "%2e%2e/",
    "%2e%2e%2f",
    "%252e%252e%252f",
    "..%c0%af",
    "....//",
)
_UP_ODD: Final = (
    "..;/",
    "\u2024\u2024/",
    "\uff0e\uff0e\uff0f",
    "..\u2215",
    ".\u200b./",
    "..%00/",
    "..%0d%0a/",
)
_DEPTHS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12)
_AIMS: Final = ("etc/passwd", "proc/self/environ", "secret", "nas.db")
_ABSOLUTE: Final = (
    *(
        "/etc/passwd",
        "//etc/passwd",
        "file:///etc/passwd",
        "\\\\host\\share",
        "C:\\Windows\\win.ini",
        "/proc/self/fd/3",
    ),
    *(
        "~/.ssh/id_rsa",
        "$HOME/.bashrc",
        "${PWD}/secret",
        "`id`",
        "|id",
        "/./etc/./passwd",
        "/etc/passwd%00.json",
    ),
    *(
        "config.json/../../secret",
        "config.json\x00.png",
        "config.json%00",
        "CON",
        "aux.json",
        "link",
        "link/secret",
    ),
    *(
        ".",
        "..",
        "...",
        "-",
        "--",
        "config.json--..--secret",
        "..--..--secret",
        "%",
        "%%",
        "%zz",
        "%u002e%u002e/",
    ),
)


def traversal_payloads() -> list[str]:
    """More than 300 of them, as they stand in a parameter."""
    found = [up * depth + aim for up, depth, aim in product((*_UP, *_UP_ODD), _DEPTHS, _AIMS[:2])]
    found += [up * 3 + aim for up, aim in product((*_UP, *_UP_ODD), _AIMS[2:])]
    return list(dict.fromkeys([*found, *_ABSOLUTE]))


def as_segment(payload: str) -> str:
    """A payload as a segment of a path: what is encoded already stays so, the rest is encoded once."""
    return quote(payload, safe="%.;$~|`-", errors="surrogatepass")
