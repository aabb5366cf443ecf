"""Templates of the page: every value is escaped, whatever the name of its file."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from nas.figures import figure
from nas.objectives import Objective
from nas.report import PlotAxis
from nas.service.authentication import Identity
from nas.service.web.assets import asset_url

#: Pages of the navigation by their addresses.
SECTIONS: Final = (
    ("/", "Studies"),
    ("/jobs", "Jobs"),
    ("/exports", "Exports"),
    ("/targets", "Targets"),
)
_DASH: Final = "–"


def render(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page or a part of one."""
    return HTMLResponse(environment().get_template(template).render(**values), status)


def render_page(template: str, identity: Identity, **values: Any) -> HTMLResponse:
    """A whole page with its navigation."""
    return render(template, identity=identity, sections=SECTIONS, **values)


@cache
def environment() -> Environment:
    """The templates with their filters."""
    made = Environment(
        loader=PackageLoader("nas.service.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["asset_url"] = asset_url
    made.filters.update(
        segment=segment, value=written_value, moment=moment, metric_title=metric_title, plain=plain
    )
    return made


def segment(name: object) -> str:
    """A name as one part of an address: no slash, colon or quote is left in it."""
    return quote(str(name), safe="")


def written_value(value: float | None, metric: str = "") -> str:
    """A metric's value as people read it; a dash for none."""
    if value is None:
        return _DASH
    return figure(metric, float(value))


def plain(value: float) -> str:
    """A number as an input element takes it."""
    return f"{value:.10g}"


def metric_title(metric: str) -> str:
    """A metric in words with its unit."""
    return PlotAxis.of(Objective(metric=metric, direction="min")).name


def moment(at: datetime | None) -> str:
    """A time as people read it, in UTC."""
    if at is None:
        return _DASH
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return f"{aware.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
