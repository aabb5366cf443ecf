"""`nas replay`: a study's proposals recomputed from its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nas.cli.options import (
    DEFAULT_STORAGE,
    JsonOption,
    QuietOption,
    StorageOption,
    StudyArgument,
    open_study,
)
from nas.cli.output import Column, Output, note
from nas.errors import ExportVerificationError

if TYPE_CHECKING:
    from nas.study import Study
    from nas.study.replay import ReplayedTrial, ReplayReport

#: Differing trials that are shown; `--json` has all.
_SHOWN: Final = 20
_COLUMNS: Final = ("field", "given", "recomputed")


def replay(
    study: StudyArgument,
    *,
    stop_early: Annotated[
        bool, typer.Option("--stop-early", help="End after the first proposal that differs.")
    ] = False,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a study's sampler again for every proposal, and compare; nothing is evaluated.

    Exit code 6 says that a proposal differs.
    """
    from nas.progress import progress_bar

    out = Output(as_json=as_json, quiet=quiet)
    with open_study(study, storage) as opened:
        with progress_bar("replay", enabled=out.is_text) as progress:
            report = opened.replay(stop_early=stop_early, progress=progress)
        changed = {} if report.is_equal else _changed_versions(opened)
    if as_json:
        out.json(_record(report, changed))
    elif quiet:
        out.ids([f"{study}@{trial.number}" for trial in _differing(report)])
    else:
        _print(out, report, changed)
    if not report.is_equal:
        raise typer.Exit(ExportVerificationError.exit_code)


def _print(out: Output, report: ReplayReport, changed: Mapping[str, str]) -> None:
    counts = Counter(trial.verdict.value for trial in report.trials)
    shown = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("equal", "differs", "skipped"))
    out.text(f"{report.study}: {len(report.trials)} of {report.num_trials} proposals: {shown}")
    reasons = Counter(trial.reason for trial in report.trials if trial.reason)
    for reason, count in reasons.items():
        out.text(f"  {count} skipped: {reason}")
    differing = _differing(report)
    if not differing:
        return
    out.text()
    columns = [Column(title="trial"), *(Column(title=t, align="left") for t in ("origin", *_COLUMNS))]
    out.table(columns, [_row(trial) for trial in differing[:_SHOWN]])
    if len(differing) > _SHOWN:
        note(f"{len(differing) - _SHOWN} more differ; --json shows all")
    for name, versions in changed.items():
        note(f"{name} was {versions}: another version may choose otherwise", label="warning")


def _row(trial: ReplayedTrial) -> list[str]:
    given, recomputed = _narrowed(trial.given, trial.recomputed)
    return [str(trial.number), trial.origin, str(trial.field), str(given), str(recomputed)]


def _narrowed(given: Any, recomputed: Any) -> tuple[Any, Any]:
    """Of two mappings, what is not in both."""
    if not (isinstance(given, dict) and isinstance(recomputed, dict)):
        return given, recomputed
    changed = [k for k in {**given, **recomputed} if given.get(k) != recomputed.get(k)]
    return {k: given.get(k) for k in changed}, {k: recomputed.get(k) for k in changed}


def _differing(report: ReplayReport) -> list[ReplayedTrial]:
    return [trial for trial in report.trials if trial.verdict.value == "differs"]


def _changed_versions(study: Study) -> dict[str, str]:
    """Packages of another version than the study was run with."""
    from nas.study.spec import package_versions

    evaluators = study.evaluators()
    then = evaluators[0].get("versions", {}) if evaluators else {}
    now = package_versions()
    return {n: f"{old}, now {now[n]}" for n, old in then.items() if n in now and now[n] != old}


def _record(report: ReplayReport, changed: Mapping[str, str]) -> dict[str, Any]:
    keys = ("number", "origin", "verdict", "field", "given", "recomputed", "reason")
    return {
        "study": report.study,
        "num_trials": report.num_trials,
        "is_equal": report.is_equal,
        "changed_versions": dict(changed),
        "trials": [{key: getattr(trial, key) for key in keys} for trial in report.trials],
    }
