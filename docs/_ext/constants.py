"""Exit codes and metrics, from where the code keeps them."""

from __future__ import annotations

from collections.abc import Iterator

from tables import code, table

from nas import errors
from nas.objectives import EXACT_METRICS, MEASURED_METRICS, QUALITY_METRICS


def exit_codes() -> str:
    """Errors by the exit code that they end a command with."""
    return table(
        ("code", "error", "meaning"), [(str(c), code(name), text) for c, name, text in sorted(_errors())]
    )


def metrics() -> str:
    """Names that objectives and budgets may use."""
    groups = (
        ("counted, before anything is spent", EXACT_METRICS),
        ("measured on the target", MEASURED_METRICS),
        ("measured on data", QUALITY_METRICS),
    )
    rows = [(code(name), kind, known[name]) for kind, known in groups for name in known]
    return table(("metric", "how it is known", "counts"), rows)


def _errors() -> Iterator[tuple[int, str, str]]:
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.NasError):
            yield kind.exit_code, name, str(kind.__doc__).split("\n", maxsplit=1)[0]
