"""What `--json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.cli.snapshot import Snapshot
    from nas.cli.trial_rows import TrialRow
    from nas.client import RemoteProfile
    from nas.errors import InfeasibleError
    from nas.study import Profile, Recovery, RecoveryReport, Study


def trial_record(trial: TrialRow) -> dict[str, Any]:
    """A trial with everything that is known of it."""
    return trial.to_json()


def recovery_record(recovery: Recovery, study: str) -> dict[str, Any]:
    """A recovered sub-network or a baseline with both scores and what it cost."""
    return {
        "id": f"{study}@{recovery.trial}",
        "trial": recovery.trial,
        "kind": recovery.kind,
        "key": recovery.key,
        "num_parameters": recovery.costs["num_parameters"],
        "before": dict(recovery.before),
        "after": dict(recovery.after),
        "summary": recovery.summary,
        "passes": recovery.passes,
        "examples": recovery.examples,
        "seconds": recovery.seconds,
        "weights_file": str(recovery.weights_file),
        "weights_sha256": recovery.weights_sha256,
    }


def recoveries_record(report: RecoveryReport) -> dict[str, Any]:
    """The outcome of a recovery, the best first."""
    return {
        "study": report.study,
        "metric": report.metric,
        "direction": report.direction,
        "recovered": [recovery_record(one, report.study) for one in report.recovered],
        "baselines": [recovery_record(one, report.study) for one in report.baselines],
        "kendall_tau": report.kendall_tau,
        "passes": report.passes,
        "seconds": report.seconds,
        "num_reused": report.num_reused,
    }


def front_record(snapshot: Snapshot) -> dict[str, Any]:
    """The outcome of a search."""
    return {
        "study": snapshot.name,
        "objectives": [str(objective) for objective in snapshot.objectives],
        "counts": dict(snapshot.counts),
        "front": [trial_record(trial) for trial in snapshot.front],
        "baselines": [trial_record(trial) for trial in snapshot.baselines],
        "recovered": [trial_record(trial) for trial in snapshot.recovered],
        "full_model": dict(snapshot.full),
        "hypervolume": snapshot.hypervolume,
        "reference_point": dict(snapshot.reference),
    }


def study_record(study: Study, snapshot: Snapshot) -> dict[str, Any]:
    """A study: what defines it and what came of it."""
    spec = study.spec.to_json()
    defined = {key: spec[key] for key in ("constraints", "sampler", "seed", "target", "supernet")}
    space = {key: spec["space"][key] for key in ("kind", "portability") if key in spec["space"]}
    return {**front_record(snapshot), "state": study.state.value, "space": space, **defined}


def profile_record(profile: Profile | RemoteProfile) -> dict[str, Any]:
    """Costs over a space."""
    return profile.to_json()


def infeasible_record(error: InfeasibleError) -> dict[str, Any]:
    """Why no sub-network was selected."""
    return {"is_feasible": False, "binding": error.binding, "nearest": error.nearest, "message": str(error)}
