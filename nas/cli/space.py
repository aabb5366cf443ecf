"""`nas space`: what a search may reach, before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas.cli.config import checked_config
from nas.cli.figures import figure
from nas.cli.options import ConfigArgument, JsonOption, QuietOption, SetOption
from nas.cli.output import Column, Output
from nas.cli.records import profile_record
from nas.cli.remote import ServerOption, connected

if TYPE_CHECKING:
    from nas.client import RemoteProfile
    from nas.config import SearchConfig
    from nas.study import Profile

app = typer.Typer(name="space", help="Look at a search space.", no_args_is_help=True)


@app.command("profile")
def profile(
    config: ConfigArgument,
    *,
    overrides: SetOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Sizes, costs and whether the budgets can be met; needs the model, no data."""
    out = Output(as_json=as_json, quiet=quiet)
    if server is not None:
        profile_there(out, config, overrides or (), server)
    else:
        print_profile(out, checked_config(config, overrides or ()))


def print_profile(out: Output, config: SearchConfig) -> None:
    """Profile the space of a config and print it.

    Raises:
        InfeasibleError: no sub-network meets the budgets.
    """
    from nas import jobs

    _print(out, jobs.profile_search(config), config.model.id)


def profile_there(out: Output, path: Path, overrides: Sequence[str], server: str) -> None:
    """Let a service profile the space of a config, and print it.

    Raises:
        InfeasibleError: no sub-network meets the budgets.
    """
    from nas.cli.remote_search import submitted_document

    document = submitted_document(path, overrides)
    with connected(server) as client:
        found = client.profile(document)
    model = document.get("model")
    _print(out, found, str(model.get("id", "the model")) if isinstance(model, dict) else "the model")


def _print(out: Output, found: Profile | RemoteProfile, model: str) -> None:
    if out.as_json:
        out.json(profile_record(found))
    elif out.quiet:
        out.ids([found.cardinality])
    else:
        _print_tables(out, found, model)


def _print_tables(out: Output, found: Profile | RemoteProfile, model: str) -> None:
    out.text(f"{found.space} space of {model}: {_big(found.cardinality)} points", style="bold")
    out.text()
    points = list(found.costs)
    rows = [
        [name, *(figure(name, found.costs[point][name]) for point in points)]
        for name in found.costs[points[0]]
    ]
    out.table([Column(title="cost", align="left"), *(Column(title=point) for point in points)], rows)
    if found.satisfiable or found.unknown:
        out.text()
        shares = {budget: _share(share) for budget, share in found.satisfiable.items()}
        out.pairs({**shares, **dict.fromkeys(found.unknown, "known only once it is measured")})


def _share(share: float) -> str:
    return (
        f"met by {100 * share:.0f} % of random sub-networks" if share >= 0.005 else "met by few sub-networks"
    )


def _big(number: int) -> str:
    return f"{number:,}" if number < 10**9 else f"{float(number):.1e}" if number < 10**300 else "over 1e300"
