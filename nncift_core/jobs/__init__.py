"""Long work in processes of its own, watched through files."""

from nncift_core.jobs.listing import JobEntry, ended_jobs, job_at, living_jobs
from nncift_core.jobs.local import log_tail, request_cancel, start, terminate
from nncift_core.jobs.progress import FileProgress, running
from nncift_core.jobs.state import (
    FinishedStage,
    JobError,
    JobState,
    create,
    is_alive,
    read_job,
    read_points,
    read_state,
)

__all__ = [
    "FileProgress",
    "FinishedStage",
    "JobEntry",
    "JobError",
    "JobState",
    "create",
    "ended_jobs",
    "is_alive",
    "job_at",
    "living_jobs",
    "log_tail",
    "read_job",
    "read_points",
    "read_state",
    "request_cancel",
    "running",
    "start",
    "terminate",
]
