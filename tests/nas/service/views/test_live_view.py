"""A view that is brought up to date shows at any time what the whole ledger shows."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nas.service.views import StudyView, StudyViews
from storage import Ledger, TrialState

BUDGETS = ((), ("num_parameters <= 0.8 * baseline", "accuracy >= 0.3"))
Grow = Callable[..., Any]
Look = Callable[[Any, StudyViews], StudyView]


def numbers(trials: Any) -> list[int]:
    return [trial.number for trial in trials]


def assert_same(view: StudyView, growing: Any) -> None:
    """What the view tells, and what a study read anew tells."""
    study = growing.stored
    trials = study.trials
    page = view.page(limit=1000)
    assert [(t.number, t.state, t.metrics, t.violations, t.values) for t in page.trials] == [
        (t.number, t.state, t.metrics, t.violations, t.values) for t in trials
    ]
    assert numbers(view.front()) == numbers(study.best_trials)
    assert view.baseline == study.baseline
    assert view.hypervolume == pytest.approx(study.hypervolume)
    done = [t for t in trials if t.state is TrialState.DONE and t.values is not None]
    assert numbers(view.baselines()) == [t.number for t in done if t.origin.startswith("baseline:")]
    if any(trial.is_feasible for trial in done):
        assert view.select().number == study.best().number


@pytest.mark.parametrize("latency", [False, True])
@pytest.mark.parametrize("constraints", BUDGETS)
@pytest.mark.parametrize("seed", range(2))
def test_a_view_shows_what_the_ledger_holds_at_any_time(
    grow: Grow, look: Look, seed: int, constraints: tuple[str, ...], latency: bool
) -> None:
    growing = grow(seed=seed, constraints=constraints, latency=latency)
    views, full = StudyViews(growing.ledger), growing.propose(origin="baseline:full")
    for step in range(60):
        if step == 20:
            growing.complete(full, accuracy=0.9, **({"latency_ratio": 1.0} if latency else {}))
        elif step != 0:
            growing.step()
        if step % 6 == 0:
            assert_same(look(growing, views), growing)


@pytest.mark.parametrize("seed", range(2))
def test_a_view_made_late_is_one_that_grew_with_the_study(grow: Grow, look: Look, seed: int) -> None:
    growing = grow(seed=seed, latency=True)
    growing.complete(growing.propose(origin="baseline:full"), accuracy=0.9, latency_ratio=1.0)
    early = StudyViews(growing.ledger)
    for _ in range(50):
        growing.step()
        look(growing, early)
    late = look(growing, StudyViews(growing.ledger))
    assert late.hypervolume_curve() == look(growing, early).hypervolume_curve()
    assert late.summary() == look(growing, early).summary()


def test_a_study_without_news_is_not_read_again(
    grow: Grow, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = grow()
    growing.complete(growing.propose())
    views = StudyViews(growing.ledger)
    look(growing, views).summary()
    for name in ("each_told_row", "open_rows", "trials_numbered"):
        monkeypatch.setattr(Ledger, name, None)
    assert look(growing, views).summary().num_trials == 1


def test_only_what_is_new_is_read(grow: Grow, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = grow()
    views, read = StudyViews(growing.ledger), []
    each_told_row = Ledger.each_told_row

    def note(self: Ledger, *arguments: Any, **options: Any) -> Any:
        for row in each_told_row(self, *arguments, **options):
            read.append(row.number)
            yield row

    monkeypatch.setattr(Ledger, "each_told_row", note)
    for _ in range(5):
        growing.complete(growing.propose())
        look(growing, views)
    assert read == [0, 1, 2, 3, 4]


def test_a_view_survives_a_read_that_failed(grow: Grow, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = grow()
    views = StudyViews(growing.ledger)
    growing.complete(growing.propose())
    look(growing, views)
    growing.pause(growing.propose())
    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "trials_numbered", _raise)
        with pytest.raises(OSError, match="away"):
            look(growing, views)
    assert_same(look(growing, views), growing)


def test_threads_share_a_view_while_its_study_grows(grow: Grow, look: Look) -> None:
    growing = grow(seed=4)
    growing.complete(growing.propose(origin="baseline:full"), accuracy=0.9)
    views, is_over = StudyViews(growing.ledger), threading.Event()

    def read() -> int:
        looks = 0
        while not is_over.is_set() or not looks:
            view = look(growing, views)
            page = view.page(sort="-accuracy", limit=5)
            assert len(page.trials) == min(5, page.total)
            assert view.summary().num_front <= view.summary().num_trials
            assert view.points()
            looks += 1
        return looks

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read) for _ in range(4)]
        for _ in range(40):
            growing.step()
        is_over.set()
        assert all(reader.result() for reader in readers)
    assert_same(look(growing, views), growing)


def test_a_study_of_an_old_name_is_another_study(grow: Grow, look: Look) -> None:
    first = grow()
    first.complete(first.propose())
    views = StudyViews(first.ledger)
    look(first, views)
    first.ledger.release(first._lease)
    first.ledger.delete_study("growing")
    assert look(grow(), views).summary().num_trials == 0


def test_views_that_were_not_looked_at_give_way(grow: Grow, look: Look) -> None:
    growing = grow()
    views = StudyViews(growing.ledger, capacity=1)
    status = growing.ledger.study_status("growing")
    kept = views.view(status)
    growing.ledger.create_study("other", spec=growing.spec.to_json(), fingerprint={}, seed=0)
    views.view(growing.ledger.study_status("other"))
    assert views.view(status) is not kept


def test_the_card_of_a_study_follows_its_state_and_its_trials(grow: Grow) -> None:
    growing = grow()
    views = StudyViews(growing.ledger)
    assert views.summary(growing.ledger.study_status("growing")).num_evaluated == 0
    growing.complete(growing.propose())
    found = views.summary(growing.ledger.study_status("growing"))
    assert (found.num_evaluated, found.num_front) == (1, 1)
    assert found.best is not None


_LOOK = """
import sys
from nas.service.views import StudyViews
from storage import Ledger

with Ledger.open(sys.argv[1]) as ledger:
    view = StudyViews(ledger).view(ledger.study_status("growing"))
    view.select(), view.page(["accuracy >= 0"], "-accuracy"), view.points(), view.gains(), view.summary()
print([name for name in ("torch", "transformers", "ray") if name in sys.modules])
"""


def test_looking_at_a_study_loads_no_model_library(grow: Grow, tmp_path: Path) -> None:
    growing = grow()
    growing.complete(growing.propose())
    command = [sys.executable, "-c", _LOOK, f"sqlite:///{tmp_path / 'nas.db'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _raise(*_: Any, **__: Any) -> Any:
    raise OSError("the database is away")
