"""What a recovery came to, as a table for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from nas.report.markup import element
from nas.report.tables import html_table

if TYPE_CHECKING:
    from nas.study.recovery import Recovery, RecoveryReport

_KINDS: Final[Mapping[str, str]] = {
    "recovered": "recovered",
    "random": "random sub-network",
    "scratch": "random weights",
}


def report_html(report: RecoveryReport) -> str:
    """Finalists, the best first, their baselines, and how far the order changed."""
    rows = [_row(one, report.metric) for one in (*report.recovered, *report.baselines)]
    title = f"Recovery of {report.study}: {report.passes:,} passes, {report.seconds:.0f} s"
    tau = "none" if report.kendall_tau is None else f"{report.kendall_tau:.2f}"
    scores = f"Scores are {report.metric}. Kendall's tau of the order before and after: {tau}."
    head = ("trial", "kind", "before", "after", "parameters")
    return html_table(title, rows, head=head) + element("p", scores)


def recovery_html(recovery: Recovery) -> str:
    """One recovery: its recipe, and each metric before and after."""
    names = [*recovery.after, *(name for name in recovery.before if name not in recovery.after)]
    rows = [(name, _figure(recovery.before, name), _figure(recovery.after, name)) for name in names]
    title = f"Trial {recovery.trial}, {_KINDS[recovery.kind]}: {recovery.summary}"
    return html_table(title, rows, head=("", "before", "after"))


def _row(one: Recovery, metric: str) -> tuple[str, ...]:
    return (
        str(one.trial),
        _KINDS[one.kind],
        _figure(one.before, metric),
        _figure(one.after, metric),
        f"{one.costs['num_parameters']:,.0f}",
    )


def _figure(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.5g}" if name in metrics else "–"
