"""The process of one profile: a resolved config as JSON comes in, what came of it as JSON goes out."""

from __future__ import annotations

import json
import sys
from typing import Any

from nas.config import parse_config
from nas.errors import InfeasibleError, NasError


def main() -> None:
    """Read, profile, write."""
    json.dump(_outcome(json.load(sys.stdin)), sys.stdout)


def _outcome(document: dict[str, Any]) -> dict[str, Any]:
    from nas.jobs import profile_search

    try:
        return {"profile": profile_search(parse_config(document)).to_json()}
    except InfeasibleError as error:
        return {"infeasible": {"message": str(error), "binding": error.binding, "nearest": error.nearest}}
    except NasError as error:
        return {"refused": str(error)}


if __name__ == "__main__":
    main()
