"""Latency targets as they are registered and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class PredictorError(BaseModel):
    """How wrong predicted latencies of shapes were that the predictor had not seen."""

    mean_absolute_relative_error: float = Field(description="0.05 is 5 % of the measured latency")
    kendall_tau: float | None = Field(description="1 if all pairs are in the right order")
    num_shapes: int


class DeviceOfTarget(BaseModel):
    """What was measured on one device of a target."""

    device_id: str = Field(description="its fingerprint")
    fingerprint: dict[str, Any] | None = Field(description="processor, runtime, threads and the like")
    shapes: int = Field(description="with a measurement that can be ranked by, full models among them")
    calibrations: int = Field(description="undisturbed measurements of full models")
    drift: float | None = Field(description="of the full model: its last latency by its first, less 1")
    measured_at: datetime | None
    predictor_error: PredictorError | None


class LatencyTarget(BaseModel):
    """A device, its runtime, and the workload that is timed there."""

    name: str
    backend: str
    device: str
    dtype: str
    batch_size: int
    sequence_length: int
    threads: int
    decode_length: int
    labels: dict[str, str]
    device_id: str | None = Field(description="of a device whose measurements are imported; null measures")
    workload_sha256: str
    reached: str = Field(description="where it is: any worker, a Ray node by its labels, or offline")
    devices: list[DeviceOfTarget] = Field(description="those that were measured")


class TargetList(BaseModel):
    """Registered targets by name."""

    targets: list[LatencyTarget]


class Measurement(BaseModel):
    """One measurement of a shape beside the full model."""

    device_id: str
    shape_key: str
    statistics: dict[str, float] = Field(description="milliseconds, ratios to the full model, counts")
    flag: str = Field(description="ok, or why it was disturbed")
    is_valid: bool = Field(description="whether it is ranked by")
    measured_at: datetime | None


class MeasurementPage(BaseModel):
    """Measurements, the newest first."""

    measurements: list[Measurement]
    total: int
    next_page_token: str | None = Field(description="null on the last page")
