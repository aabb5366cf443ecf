"""What clients ask: mostly what a page that is open asks, some of it under budgets."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

_BUDGETS: Final = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    kind: str
    method: str
    path: str
    body: bytes = b""


def _constraint(choice: random.Random) -> str:
    return f"num_parameters <= {choice.choice(_BUDGETS)} * baseline"


def _trials(study: str, choice: random.Random) -> Asked:
    where = quote(_constraint(choice))
    return Asked("trials", "GET", f"/api/v1/studies/{study}/trials?limit=50&where={where}&sort=-accuracy")


def _trial(study: str, choice: random.Random) -> Asked:
    return Asked("trial", "GET", f"/api/v1/studies/{study}/trials/{choice.randrange(1000)}")


def _select(study: str, choice: random.Random) -> Asked:
    body = json.dumps({"where": [_constraint(choice)]}).encode()
    return Asked("select", "POST", f"/api/v1/studies/{study}/select", body)


def _front(study: str, choice: random.Random) -> Asked:
    return Asked("front", "GET", f"/api/v1/studies/{study}/front?where={quote(_constraint(choice))}")


def _plain(kind: str, path: str) -> Callable[[str, random.Random], Asked]:
    def asked(study: str, choice: random.Random) -> Asked:
        del choice
        return Asked(kind, "GET", path.format(study=study))

    return asked


#: Shares out of 100.
_SHARES: Final[tuple[tuple[int, Callable[[str, random.Random], Asked]], ...]] = (
    (10, _plain("studies", "/api/v1/studies?limit=20")),
    (15, _plain("study", "/api/v1/studies/{study}")),
    (15, _trials),
    (20, _trial),
    (10, _front),
    (10, _select),
    (10, _plain("jobs", "/api/v1/jobs?limit=20")),
    (5, _plain("studies page", "/studies")),
    (5, _plain("study page", "/studies/{study}")),
)


def next_request(study: str, choice: random.Random) -> Asked:
    """One of the mix, by its share."""
    [make] = choice.choices([make for _, make in _SHARES], weights=[share for share, _ in _SHARES])
    return make(study, choice)
