"""What a recovery came to, as a table for notebooks."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nas.study.recovery import Recovery, RecoveryReport

_KINDS: Final[Mapping[str, str]] = {
    "recovered": "recovered",
    "random": "random sub-network",
    "scratch": "random weights",
}


def report_html(report: RecoveryReport) -> str:
    """Finalists, the best first, their baselines, and how far the order changed."""
    head = "".join(f"<th>{text}</th>" for text in ("trial", "kind", "before", "after", "parameters"))
    rows = "".join(_row(one, report.metric) for one in (*report.recovered, *report.baselines))
    tau = "none" if report.kendall_tau is None else f"{report.kendall_tau:.2f}"
    metric = html.escape(report.metric)
    return (
        f"<h4>Recovery of {html.escape(report.study)}: {report.passes:,} passes, {report.seconds:.0f} s</h4>"
        f"<table><tr>{head}</tr>{rows}</table>"
        f"<p>Scores are {metric}. Kendall's tau of the order before and after: {tau}.</p>"
    )


def recovery_html(recovery: Recovery) -> str:
    """One recovery: its recipe, and each metric before and after."""
    names = [*recovery.after, *(name for name in recovery.before if name not in recovery.after)]
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{_figure(recovery.before, name)}</td>"
        f"<td>{_figure(recovery.after, name)}</td></tr>"
        for name in names
    )
    title = f"Trial {recovery.trial}, {_KINDS[recovery.kind]}: {recovery.summary}"
    head = "<tr><th></th><th>before</th><th>after</th></tr>"
    return f"<h4>{html.escape(title)}</h4><table>{head}{rows}</table>"


def _row(one: Recovery, metric: str) -> str:
    cells = (
        str(one.trial),
        _KINDS[one.kind],
        _figure(one.before, metric),
        _figure(one.after, metric),
        f"{one.costs['num_parameters']:,.0f}",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _figure(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.5g}" if name in metrics else "–"
