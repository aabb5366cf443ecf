"""A study at a service, read by Optuna's verbs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.client.connection import Connection
from nas.client.exports import ExportRequest, RemoteExport, export_to
from nas.client.facts import HypervolumeStep, JobEvent, StudyFacts
from nas.client.jobs import RemoteJob
from nas.client.paging import each_record
from nas.client.trials import RemoteComparison, RemoteTrial
from nas.errors import ConfigError
from nas.report.tables import front_table


class RemoteStudy:
    """A study at a service; every question is asked there.

    Args:
        connection: to the service.
        name: of the study, with the account before it.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self.name = connection, name

    def facts(self) -> StudyFacts:
        """How it stands now.

        Raises:
            StudyNotFoundError: there is none of that name that the token may see.
        """
        return StudyFacts.from_json(self._get())

    @property
    def state(self) -> str:
        """Where the search stands, such as RUNNING or COMPLETED."""
        return self.facts().state

    @property
    def best_trials(self) -> list[RemoteTrial]:
        """The Pareto front, the best in the first objective first."""
        return self.front()

    def front(self, where: str | Sequence[str] = ()) -> list[RemoteTrial]:
        """Members of the Pareto front that meet budgets such as `latency_ms <= 6`."""
        return _trials(self._get("front", params={"where": _texts(where)})["trials"])

    def trials(
        self,
        where: str | Sequence[str] = (),
        *,
        sort: str | None = None,
        states: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[RemoteTrial]:
        """Trials by number, or as told.

        Args:
            where: constraints such as `latency_ms <= 6`.
            sort: a metric, ascending; `-METRIC` is descending.
            states: DONE, PAUSED and the like; all unless given.
            limit: at most so many.
        """
        found = self.each_trial(where, sort=sort, states=states)
        return (
            [trial for _, trial in zip(range(limit), found, strict=False)] if limit is not None else [*found]
        )

    def each_trial(
        self, where: str | Sequence[str] = (), *, sort: str | None = None, states: Sequence[str] = ()
    ) -> Iterator[RemoteTrial]:
        """As `trials`, a page at a time: they need not fit into memory."""
        params = {"where": _texts(where), "sort": sort, "state": [*states]}
        records = each_record(self._connection, "studies", self.name, "trials", key="trials", params=params)
        return map(RemoteTrial.from_json, records)

    def num_trials(self, *states: str) -> int:
        """How many trials are in any of these states; of all states unless given."""
        return int(self._get("trials", params={"limit": 1, "state": [*states]})["total"])

    def trial(self, number: int) -> RemoteTrial:
        """One trial.

        Raises:
            NotFoundError: the study has none of that number.
        """
        return RemoteTrial.from_json(self._get("trials", number))

    def best(self, where: str | Sequence[str] = (), *, recovered: bool = False) -> RemoteTrial:
        """The best trial in the first objective that meets the study's budgets and more.

        Args:
            where: constraints such as `latency_ms <= 6`.
            recovered: choose among recovered sub-networks, by their scores after recovery.

        Raises:
            InfeasibleError: none does; it names the binding constraint and the nearest trial.
        """
        body = {"where": _texts(where), "recovered": recovered}
        found = self._connection.post("studies", self.name, "select", body=body, is_query=True)
        return RemoteTrial.from_json(found)

    def select(self, where: str | Sequence[str] = ()) -> list[RemoteTrial]:
        """Every trial that meets the study's budgets and more, the best in the first objective first.

        Raises:
            InfeasibleError: none does; it names the binding constraint and the nearest trial.
        """
        self.best(where)  # raises where there is none
        objectives = [text.split() for text in self.facts().objectives]
        found = [trial for trial in self.each_trial(where, states=("DONE",)) if trial.is_feasible]
        signs = [(metric, -1 if direction == "max" else 1) for direction, metric in objectives]
        return sorted(found, key=lambda t: (*(sign * t.metrics[name] for name, sign in signs), t.number))

    def hypervolume(self) -> float | None:
        """Share of the box between reference and ideal that feasible trials dominate; None before the full
        model was measured."""
        return self.facts().hypervolume

    def hypervolume_curve(self) -> list[HypervolumeStep]:
        """The trials that enlarged the hypervolume, in the order in which they became final."""
        return [HypervolumeStep.from_json(step) for step in self._get("hypervolume")["points"]]

    def reference_point(self) -> dict[str, float]:
        """The hypervolume's reference by metric; empty before the full model was measured."""
        return dict(self._get("hypervolume", params={"limit": 2})["reference_point"] or {})

    def baselines(self) -> list[RemoteTrial]:
        """Evaluated sub-networks that were no search's idea, the full model among them."""
        return _trials(self._get("baselines")["trials"])

    def compare(self, *numbers: int) -> RemoteComparison:
        """Two to eight trials beside the full model, each with the uniform baseline nearest to it in cost."""
        return RemoteComparison.from_json(self._get("compare", params={"trial": list(numbers)}))

    def skyline(self, number: int) -> str:
        """The architecture of a trial as an SVG picture."""
        with self._connection.stream("studies", self.name, "trials", number, "skyline") as response:
            response.read()
            return response.text

    def last_events(self, limit: int = 20) -> list[JobEvent]:
        """What happened to it last, oldest first; `RemoteJob.events` follows it."""
        return [JobEvent.from_json(event) for event in self._get("events", params={"limit": limit})["events"]]

    @property
    def job(self) -> RemoteJob | None:
        """Its newest job, None where there is none."""
        job_id = self.facts().job_id
        if job_id is None:
            return None
        return RemoteJob.of(self._connection, job_id)

    def export(
        self,
        trial: RemoteTrial | int | None = None,
        folder: str | Path = "export",
        *,
        where: str | Sequence[str] = (),
        formats: Sequence[str] | None = None,
        weights: str = "auto",
        overwrite: bool = False,
        show_progress_bar: bool = False,
    ) -> RemoteExport:
        """Have a sub-network exported, and fetch its folder; every file is checked, the folder appears whole.

        Args:
            trial: a trial or its number; None for the best under `where`.
            folder: to write, that does not exist yet.
            where: constraints such as `latency_ms <= 6`.
            formats: `hf`, `onnx`, `openvino`; those of the study's config unless given.
            weights: `auto`, `supernet` or `recovered`.
            overwrite: replace the folder if it is there.
            show_progress_bar: on standard error, or in a notebook.

        Raises:
            InfeasibleError: no trial meets the budgets.
            ExportVerificationError: the export failed, or a file did not arrive as it was recorded.
        """
        if (trial is None) == (not where):
            raise ConfigError("export: give either a trial, or budgets by where")
        request = ExportRequest(
            study=self.name,
            trial=trial.number if isinstance(trial, RemoteTrial) else trial,
            where=tuple(_texts(where)),
            formats=None if formats is None else tuple(formats),
            weights=weights,
        )
        return export_to(
            self._connection,
            request,
            Path(folder),
            key=uuid.uuid4().hex,
            overwrite=overwrite,
            show_progress_bar=show_progress_bar,
        )

    def _get(self, *parts: object, params: Mapping[str, Any] | None = None) -> Any:
        return self._connection.get("studies", self.name, *parts, params=params)

    def __repr__(self) -> str:
        return f"RemoteStudy({self.name!r})"

    def _repr_html_(self) -> str:
        facts, front = self.facts(), self.best_trials
        names = [objective.partition(" ")[2] for objective in facts.objectives]
        members = [(t.number, t.architecture, [t.metrics[name] for name in names]) for t in front]
        title = f"Study {self.name}: {facts.num_evaluated} evaluated, {facts.state.lower()}"
        return front_table(title, facts.objectives, members)


def _texts(where: str | Sequence[str]) -> list[str]:
    return [where] if isinstance(where, str) else list(where)


def _trials(records: Sequence[Mapping[str, Any]]) -> list[RemoteTrial]:
    return [RemoteTrial.from_json(record) for record in records]
