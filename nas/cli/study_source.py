"""Where a command reads a study: a database, or a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from nas.cli.options import command, open_study
from nas.cli.remote import connected, remote_command
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.cli.trial_rows import TrialRow
    from nas.client import RemoteStudy
    from nas.objectives import Constraint, Objective
    from nas.study import Study, Trial


class StudySource(Protocol):
    """A study as commands that choose among its trials need it."""

    @property
    def name(self) -> str:
        """Of the study."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What was searched for."""

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """Its budgets."""

    @property
    def full(self) -> Mapping[str, float]:
        """Metrics of the full model as far as they are known."""

    @property
    def baselines(self) -> Sequence[TrialRow]:
        """Evaluated sub-networks that were no search's idea."""

    def trial(self, number: int) -> TrialRow:
        """One trial; raises ConfigError where there is none."""

    def best(self, where: Sequence[str]) -> TrialRow:
        """The best under budgets; raises InfeasibleError."""


class StoredSource:
    """A study of a database, read once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.name, self.objectives, self.constraints = study.name, study.objectives, study.constraints

    @cached_property
    def _trials(self) -> list[Trial]:
        return self._study.trials

    @cached_property
    def full(self) -> Mapping[str, float]:
        """Metrics of the full model as far as they are known."""
        return self._study.baseline

    @property
    def baselines(self) -> Sequence[TrialRow]:
        """Evaluated sub-networks that were no search's idea."""
        from nas.cli.snapshot import is_evaluated_baseline

        return [trial for trial in self._trials if is_evaluated_baseline(trial)]

    def trial(self, number: int) -> TrialRow:
        """One trial.

        Raises:
            ConfigError: there is none of that number.
        """
        if not 0 <= number < len(self._trials):
            last = f"its last is {len(self._trials) - 1}" if self._trials else "it has none yet"
            raise ConfigError(
                f"study {self.name!r} has no trial {number}; {last}. `nas trials ls {self.name}` lists them"
            )
        return self._trials[number]

    def best(self, where: Sequence[str]) -> TrialRow:
        """The best under budgets.

        Raises:
            InfeasibleError: none meets them.
        """
        return self._study.best(where)


class ServiceSource:
    """A study of a service."""

    def __init__(self, study: RemoteStudy) -> None:
        from nas.cli.remote_studies import grammar_of

        facts = study.facts()
        self._study, self.name = study, facts.name
        self.objectives, self.constraints = grammar_of(facts)

    @cached_property
    def full(self) -> Mapping[str, float]:
        """Metrics of the full model as far as they are known."""
        return next((dict(t.metrics) for t in self.baselines if t.origin == "baseline:full"), {})

    @cached_property
    def baselines(self) -> Sequence[TrialRow]:
        """Evaluated sub-networks that were no search's idea."""
        return self._study.baselines()

    def trial(self, number: int) -> TrialRow:
        """One trial.

        Raises:
            NotFoundError: there is none of that number.
        """
        return self._study.trial(number)

    def best(self, where: Sequence[str]) -> TrialRow:
        """The best under budgets.

        Raises:
            InfeasibleError: none meets them.
        """
        return self._study.best(where)


@contextmanager
def opened_source(study: str, storage: str, server: str | None) -> Iterator[StudySource]:
    """A study of a service if one is given, else of a database."""
    if server is None:
        with open_study(study, storage) as opened:
            yield StoredSource(opened)
        return
    with connected(server) as client:
        yield ServiceSource(client.study(study))


def line_of(storage: str, server: str | None) -> Callable[..., str]:
    """Makes a command line of words that asks the same database or service."""
    return partial(command, storage=storage) if server is None else partial(remote_command, server=server)
