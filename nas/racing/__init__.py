"""Stopping evaluations that cannot reach the front, and finding those that still may."""

from nas.racing.bounds import Estimate
from nas.racing.race import Race, Verdict
from nas.racing.settings import Racing

__all__ = ["Estimate", "Race", "Racing", "Verdict"]
