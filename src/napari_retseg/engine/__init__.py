"""The engine: runs jobs in other processes, forwards their events, stops them on request.

Without an address it owns a scheduler in a background thread and one worker process on this
machine (training gets a second one, retired at its end); with an address the same jobs run on the
workers of that dask scheduler. Nothing starts before the first job.
"""

from napari_retseg.engine.dispatch import Engine
from napari_retseg.engine.handle import JobHandle
from napari_retseg.engine.jobs import (
    WORKER_DIED,
    EvaluateJob,
    EvidenceJob,
    Job,
    JobOutcome,
    LoadJob,
    PredictJob,
    PrepareJob,
    SamplesJob,
    TrainJob,
)

__all__ = [
    "WORKER_DIED",
    "Engine",
    "EvaluateJob",
    "EvidenceJob",
    "Job",
    "JobHandle",
    "JobOutcome",
    "LoadJob",
    "PredictJob",
    "PrepareJob",
    "SamplesJob",
    "TrainJob",
]
