"""Tables that notebooks show of studies and trials, whether a database or a service told of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nas.report.markup import Markup, element


def html_table(
    title: str, rows: Iterable[Sequence[str]], *, head: Sequence[str] = (), picture: str = ""
) -> Markup:
    """A table below its title; every text is escaped.

    Args:
        title: of the table.
        rows: of cells.
        head: titles of the columns; none unless given.
        picture: markup between the title and the table.
    """
    heads = [element("tr", [element("th", cell) for cell in head])] if head else []
    body = [element("tr", [element("td", cell) for cell in row]) for row in rows]
    return Markup(element("h4", title) + picture + element("table", [*heads, *body]))


def trial_table(
    number: int, state: str, architecture: str, metrics: Mapping[str, float], *, picture: str = ""
) -> Markup:
    """A trial with its metrics; `picture` is markup."""
    rows = [(name, f"{value:,.6g}") for name, value in metrics.items()]
    return html_table(f"Trial {number} ({state.lower()}): {architecture}", rows, picture=picture)


def front_table(
    title: str,
    objectives: Sequence[str],
    front: Iterable[tuple[int, str, Sequence[float]]],
    *,
    picture: str = "",
) -> Markup:
    """Members of a front by number, architecture and values of the objectives; `picture` is markup."""
    rows = [(str(number), sizes, *(f"{value:.5g}" for value in values)) for number, sizes, values in front]
    return html_table(title, rows, head=("trial", "architecture", *objectives), picture=picture)


def cost_table(space: str, cardinality: int, costs: Mapping[str, Mapping[str, float]]) -> Markup:
    """Costs of the points of a search space, a column each.

    Args:
        space: its kind.
        cardinality: number of its points.
        costs: by point, the same costs of each.
    """
    names = next(iter(costs.values()), {})
    rows = [(name, *(f"{of_point[name]:,.0f}" for of_point in costs.values())) for name in names]
    return html_table(f"Space {space}: {cardinality:,} points", rows, head=("cost", *costs))
