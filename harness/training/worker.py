"""The child that runs networks: read a job a line from standard input, answer with a line of JSON per event.

Started as ``python -m harness.training.worker [DATA]`` by `harness.training.client`; with DATA, a data set as
JSON, it gets ready for a probe on it before there is a job. Only events are written to standard output;
whatever a library prints goes to standard error. No student code runs here: the network is rebuilt from its
graph.
"""

import ctypes
import gc
import os
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import BinaryIO

from pydantic import ValidationError

from harness.base.errors import DataError, HarnessError, TrainingError
from harness.datasets.loading import checked_folder
from harness.datasets.miniature import load_for_probe
from harness.datasets.spec import DataSpec
from harness.training.budget import WORKSPACE_MIB, bounded_memory
from harness.training.determinism import device_of, make_deterministic, switches
from harness.training.events import (
    ERRORS,
    AllProbedEvent,
    CalibratedEvent,
    DoctorEvent,
    Emit,
    ErrorEvent,
    Event,
    StartedEvent,
)
from harness.training.fingerprint import fingerprint
from harness.training.jobs import JOBS, CalibrateJob, DoctorJob, FieldJob, Job, ProbeJob
from harness.training.network import one_line
from harness.training.probe.gradients import measure_field
from harness.training.probe.probe import probe_all


def main() -> int:
    """Run the jobs on standard input, one after the other. Returns the exit code: that of the last job.

    A job that comes to no result leaves those after it; an error that nobody expected ends the process.
    """
    status = 0
    with _events_only() as out:
        for data in sys.argv[1:]:
            warm_up(DataSpec.model_validate_json(data))

        def emit(event: Event) -> None:
            out.write(event.model_dump_json().encode() + b"\n")
            out.flush()

        try:
            for line in sys.stdin.buffer:
                status = _done(line, emit)
        except BrokenPipeError:
            # Nobody is listening any more: the parent was killed.
            return 1
        except Exception as error:  # noqa: BLE001 - the last resort of a process
            traceback.print_exc()
            message = f"training: unexpected error: {one_line(error)}."
            emit(ErrorEvent(kind="training", fatal=True, message=message))
            return 1
    return status


def warm_up(data: DataSpec) -> None:
    """Load what a probe on images of a data set loads at its first step, which is half of what it takes."""
    with suppress(Exception):  # a job that needs it says what is wrong
        import_module("torch._dynamo")  # the first operator of some kinds imports it, which takes a second
        load_for_probe(data)


def do(job: Job, emit: Emit) -> None:
    """Run one job; the last event emitted is its result.

    Raises:
        HarnessError: no result could be reached, for a reason with a message of its own.
    """
    if isinstance(job, ProbeJob):
        make_deterministic(job.threads)
        data = load_for_probe(job.data)
        emit(StartedEvent())
        with bounded_memory(job.memory_mib + WORKSPACE_MIB):
            for probed in probe_all(job, data, emit):
                emit(probed)
        emit(AllProbedEvent())
        return
    if isinstance(job, FieldJob):
        make_deterministic(job.threads)
        with bounded_memory(job.memory_mib + WORKSPACE_MIB):
            emit(measure_field(job))
        return
    if isinstance(job, CalibrateJob):
        from harness.training.calibration import seconds_of_work  # what trains takes a while to import

        make_deterministic(job.threads)
        emit(CalibratedEvent(seconds=seconds_of_work(job.precision, job.threads)))
        return
    if isinstance(job, DoctorJob):
        make_deterministic(job.threads)
        emit(_examined(job))
        return
    from harness.training.on_data import do_on_data  # what reads images takes a while to import

    do_on_data(job, emit)


def error_event(error: HarnessError) -> ErrorEvent:
    """Return an expected error as an event; `kind` names its class."""
    kind = next((kind for kind, cls in ERRORS.items() if isinstance(error, cls)), "training")
    return ErrorEvent.model_validate({"kind": kind, "message": str(error)})


# Private functions


def _done(line: bytes, emit: Emit) -> int:
    """Run one job; an expected error is an event. Returns the exit code that stands for it."""
    try:
        job = _job(line)
        if not isinstance(job, ProbeJob):
            _give_back()
        do(job, emit)
    except HarnessError as error:
        emit(error_event(error))
        return error.exit_code
    return 0


def _give_back() -> None:
    """Return the memory that the jobs before have freed to the system: the allocator is told to keep it.

    Not before a probe: a class has hundreds, which take about as much as each other.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)


def _events_only() -> BinaryIO:
    """Redirect standard output: it is for the events, and what libraries print goes to standard error."""
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "wb")


def _job(text: bytes) -> Job:
    try:
        return JOBS.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise TrainingError(f"training: the job is not valid: {where}: {first['msg']}.") from None


def _examined(job: DoctorJob) -> DoctorEvent:
    found, problem = None, ""
    try:
        found = checked_folder(job.data, job.folder)
    except DataError as error:
        problem = str(error)
    return DoctorEvent(
        fingerprint=fingerprint(device_of("auto")),
        switches=switches(job.threads),
        data=str(found or ""),
        data_problem=problem,
    )


if __name__ == "__main__":
    sys.exit(main())
