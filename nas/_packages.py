"""Whether the packages beside this one are ours.

Their names are ordinary words: a user's own `storage.py` or `workers.py` beside a script would hide them,
and the error that follows would name neither.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from nas.errors import ConfigError

SIBLINGS: Final = ("search_spaces", "storage", "workers")


def check() -> None:
    """Look where each sibling package would be imported from.

    Raises:
        ConfigError: it is not the one that was installed with this package.
    """
    home = Path(__file__).resolve().parent.parent
    for name in SIBLINGS:
        spec = importlib.util.find_spec(name)
        origin = None if spec is None or spec.origin is None else Path(spec.origin).resolve()
        if origin != home / name / "__init__.py":
            found = "nothing" if origin is None else str(origin)
            raise ConfigError(
                f"the package {name!r} of subnas is hidden: Python finds {found} in its place; "
                f"rename that file or folder, or run from another directory (ours is {home / name})"
            )
