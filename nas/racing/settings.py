"""How an evaluation is divided into stages, and when it is stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final, Literal

from nas.errors import ConfigError

Bound = Literal["normal", "anytime"]
#: Metrics that score each example from 0 to 1.
BOUNDED: Final = frozenset({"accuracy"})
FIRST_STAGE: Final = 32
GROWTH: Final = 1.5
#: A last stage that adds less than this share of the examples is not worth a judgement of its own.
_LEAST_REST: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Racing:
    """Candidates see a growing part of the examples and are paused once they seem dominated.

    A paused candidate is not lost: it is continued while its optimistic bound still touches the front.

    Attributes:
        stages: numbers of examples after which a candidate is judged; `all` of them come last, named or not.
            Empty: 32, and half as many again each time.
        confidence: one-sided, of the bound that keeps a candidate from being left paused.
        bound: `normal` takes the errors of means for normal; `anytime` holds for any distribution and all
            stages together, needs a metric that scores examples from 0 to 1, and saves far less.
        rescue: continue paused candidates that may still be on the front. Without it what was paused stays
            so, and `confidence` is that of pausing.

    Raises:
        ConfigError: a value that is not allowed.
    """

    stages: tuple[int | Literal["all"], ...] = ()
    confidence: float = 0.85
    bound: Bound = "normal"
    rescue: bool = True

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1:
            raise ConfigError(f"confidence is {self.confidence}; give a number above 0.5 and below 1")
        if self.bound not in ("normal", "anytime"):
            raise ConfigError(f"bound is {self.bound!r}; allowed are normal, anytime")
        if self.stages and self.stages[-1] == "all":
            object.__setattr__(self, "stages", self.stages[:-1])
        if any(type(stage) is not int or stage < 1 for stage in self.stages):
            raise ConfigError(f"stages are {list(self.stages)}; give whole numbers of examples, at least 1")
        if list(self.stages) != sorted({stage for stage in self.stages if stage != "all"}):
            raise ConfigError(f"stages are {list(self.stages)}; give them in rising order, each once")

    @property
    def quantile(self) -> float:
        """Standard errors between a mean and its bound."""
        return NormalDist().inv_cdf(self.confidence)

    def stages_of(self, num_examples: int) -> tuple[int, ...]:
        """Rising numbers of examples, all of them last."""
        given = [stage for stage in self.stages if stage != "all"]
        stages = given or _geometric(num_examples)
        return (*(stage for stage in stages if stage < num_examples), num_examples)

    def check_metrics(self, names: Sequence[str]) -> None:
        """Refuse metrics that the bound does not hold for.

        Raises:
            ConfigError: an anytime bound for a metric that does not score examples from 0 to 1.
        """
        wrong = [name for name in names if name not in BOUNDED]
        if self.bound == "anytime" and wrong:
            raise ConfigError(
                f"bound anytime needs metrics that score each example from 0 to 1: "
                f"{', '.join(sorted(BOUNDED))}, not {wrong[0]}; choose bound normal, or no racing"
            )

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; `from_json` reads it back."""
        return {**asdict(self), "stages": list(self.stages)}

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> Racing:
        """Read what `to_json` wrote."""
        return Racing(**{**record, "stages": tuple(record["stages"])})


def _geometric(num_examples: int) -> list[int]:
    steps = range(max(0, math.ceil(math.log(max(num_examples, 1) / FIRST_STAGE, GROWTH))))
    stages = [round(FIRST_STAGE * GROWTH**step) for step in steps]
    return [stage for stage in stages if stage <= (1 - _LEAST_REST) * num_examples]
