"""A study in one card."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nas.study.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a study is and what came of it so far.

    Attributes:
        account: whose it is; None for one that was made on this machine.
        model: the pretrained model, as it is published.
        target: name of what latency is measured on; None without latency.
        num_evaluated: trials whose evaluation ended: to the end, with a failure, or early.
        hypervolume: None until the full model was measured.
        best: the best in the first objective within the study's budgets; None if there is none.
    """

    name: str
    state: str
    reason: str | None
    account: str | None
    model: str
    task: str
    target: str | None
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    num_trials: int
    num_evaluated: int
    num_front: int
    hypervolume: float | None
    best: Trial | None
    created_at: datetime
