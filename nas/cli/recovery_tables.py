"""Tables of recovered sub-networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from nas.cli.figures import figure, percent
from nas.cli.output import Column, Output

if TYPE_CHECKING:
    from nas.study import Recovery, RecoveryReport, Study

_ARROWS: Final = {"max": "↑", "min": "↓"}
_KINDS: Final = {"recovered": "recovered", "random": "random sub-network", "scratch": "random weights"}


def print_report(out: Output, study: Study, report: RecoveryReport) -> None:
    """Finalists, the best first, their baselines, what both cost, and how far the order changed."""
    out.text(f"Recovered sub-networks of {study.name}: {report.recovered[0].summary}", style="bold")
    out.text()
    _print_rows(out, study, report, report.recovered, with_kind=False)
    if report.baselines:
        out.text()
        out.text("Baselines, trained at the same cost", style="bold")
        out.text()
        _print_rows(out, study, report, report.baselines, with_kind=True)
    out.text()
    out.text(tau_line(report))
    reused = f"; {report.num_reused} of them known from before" if report.num_reused else ""
    number = len(report.recovered) + len(report.baselines)
    out.text(f"{number} trained in {report.passes:,} passes and {report.seconds:.0f} s{reused}")


def tau_line(report: RecoveryReport) -> str:
    """How far the order before tells the order after."""
    name = f"Kendall's tau of {report.metric} before and after"
    if report.kendall_tau is None:
        return f"{name}: none with fewer than 3 different scores"
    return f"{name}: {report.kendall_tau:.2f} over {len(report.recovered)} sub-networks"


def _print_rows(
    out: Output, study: Study, report: RecoveryReport, rows: Sequence[Recovery], *, with_kind: bool
) -> None:
    arrow = _ARROWS[report.direction]
    titles = ["trial", "layers", "heads", "FFN", "hidden", "before", f"{report.metric} {arrow}", "params"]
    titles += ["passes", "s"]
    columns = [Column(title=title) for title in titles]
    if with_kind:
        columns.append(Column(title="baseline", align="left"))
    out.table(columns, [_row(study, report.metric, one, with_kind=with_kind) for one in rows])


def _row(study: Study, metric: str, one: Recovery, *, with_kind: bool) -> list[str]:
    from nas.study.architecture import short_sizes

    sizes = short_sizes(study.shape, one.config)
    whole = study.spec.full_costs["num_parameters"]
    row = [str(one.trial), sizes.layers, sizes.heads, sizes.ffn, sizes.hidden]
    row.append(figure(metric, one.before[metric]) if metric in one.before else "")
    row.append(figure(metric, one.after[metric]))
    row += [percent(one.costs["num_parameters"], whole), str(one.passes), f"{one.seconds:.0f}"]
    return [*row, _KINDS[one.kind]] if with_kind else row
