import subprocess
import sys
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from harness.base.errors import (
    AssignmentError,
    DataError,
    DataUnavailableError,
    GraphError,
    HarnessError,
    TrainingError,
    UsageError,
)
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.spec import DataSpec
from harness.graph.ir import Architecture
from harness.settings.recipe import TransformSpec
from harness.training.events import (
    EVENTS,
    AllProbedEvent,
    CheckedEvent,
    DataEvent,
    DivergedEvent,
    DownloadEvent,
    ErrorEvent,
    Event,
    FieldEvent,
    Probe,
    ProbedEvent,
    ReadyEvent,
    StartedEvent,
    TrainedEvent,
)
from harness.training.jobs import FieldJob, Model, ProbeJob, TrainJob
from harness.training.worker import do, error_event


def short(job: TrainJob, **changes: object) -> TrainJob:
    """One epoch over the mini set in few, large steps."""
    small = {"epochs": 1, "batch_size": 1000, "stages": (), "augmentation": ()}
    recipe = job.recipe.model_copy(update=small | changes)
    return job.model_copy(update={"recipe": recipe})


def child(text: str, cwd: Path) -> tuple[int, list[Event], str]:
    done = subprocess.run(
        [sys.executable, "-m", "harness.training.worker"],
        input=text.encode(), cwd=cwd, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    events = [EVENTS.validate_json(line) for line in done.stdout.splitlines()]
    return done.returncode, events, done.stderr.decode()


def found_in(events: list[Event]) -> Any:
    """What a probe job says of its one model."""
    (probed,) = (event for event in events if isinstance(event, ProbedEvent))
    return probed.found


def test_a_probe_job_ends_in_a_probe(job: TrainJob, events: list[Event]) -> None:
    do(ProbeJob(models={"basic": job.model}, data=job.data, batch_size=128, threads=2), events.append)
    started, checked, probed, result = events
    assert (started, checked) == (StartedEvent(), CheckedEvent(model="basic"))
    assert isinstance(probed, ProbedEvent)
    assert (probed.model, type(probed.found)) == ("basic", Probe)
    assert result == AllProbedEvent()


def test_a_network_for_data_without_a_sample_is_probed_on_drawn_images(
    job: TrainJob, events: list[Event]
) -> None:
    data = DataSpec(dataset="svhn")
    do(ProbeJob(models={"basic": job.model}, data=data, batch_size=128, threads=2), events.append)
    assert 0.05 < found_in(events).accuracy_running < 0.15


def test_a_network_for_other_images_than_the_datas_is_refused(job: TrainJob, events: list[Event]) -> None:
    data = DataSpec(dataset="mnist")
    do(ProbeJob(models={"basic": job.model}, data=data, batch_size=128, threads=2), events.append)
    assert "(batch, 1, 28, 28)" in found_in(events).message


def test_a_train_job_says_which_data_and_ends_in_a_result(job: TrainJob, events: list[Event]) -> None:
    do(short(job), events.append)
    assert events[0] == DataEvent(
        name="mini", root="the embedded mini set", message="mini: the embedded mini set"
    )
    assert isinstance(events[-1], TrainedEvent)
    assert events[-1].training.data.train_images == 5000
    assert events[-1].training.notes == ()
    assert {path.name for path in job.checkpoints.iterdir()} == {"last.pth", "best.pth"}
    assert not job.stats_cache.exists()


def test_without_data_there_is_an_error_that_says_where_it_was_looked_for(
    job: TrainJob, events: list[Event], elsewhere: Path
) -> None:
    with pytest.raises(DataUnavailableError, match="CIFAR-10: not found; looked for"):
        do(short(job.model_copy(update={"folder": None})), events.append)
    assert events == []


def test_divergence_is_a_result(job: TrainJob, events: list[Event]) -> None:
    do(short(job, lr=1e30, epochs=2), events.append)
    assert isinstance(events[-1], DivergedEvent)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_cuda_device_is_said(job: TrainJob, events: list[Event]) -> None:
    with pytest.raises(
        UsageError, match="--device: no CUDA device; expected one that torch can use, got none"
    ):
        do(job.model_copy(update={"device": "cuda"}), events.append)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DataError("m"), "data"),
        (DataUnavailableError("m"), "data_unavailable"),
        (UsageError("m"), "usage"),
        (GraphError("m"), "graph"),
        (TrainingError("m"), "training"),
        (AssignmentError("m"), "training"),
    ],
)
def test_every_error_has_its_kind(error: HarnessError, kind: str) -> None:
    assert error_event(error) == ErrorEvent(kind=kind, message="m")


def test_an_expected_error_is_an_event_and_an_exit_code(job: TrainJob, tmp_path: Path) -> None:
    job.model.weights.unlink()
    status, events, stderr = child(job.model_dump_json(), tmp_path)
    assert (status, stderr) == (GraphError.exit_code, "")
    assert isinstance(events[-1], ErrorEvent)
    assert events[-1].kind == "graph"


def test_a_job_that_is_not_valid_is_an_event(tmp_path: Path) -> None:
    status, events, _ = child('{"kind": "train"}', tmp_path)
    assert status == TrainingError.exit_code
    assert isinstance(events[-1], ErrorEvent)
    assert events[-1].message == "training: the job is not valid: train.model: Field required."


def test_an_unexpected_error_is_an_event_with_the_traceback_elsewhere(job: TrainJob, tmp_path: Path) -> None:
    # It is known and built, and then asks for a crop that is larger than the image.
    wrong = TransformSpec(name="RandomCrop", p=1.0, arguments={"height": 99, "width": 99})
    status, events, stderr = child(short(job, augmentation=(wrong,)).model_dump_json(), tmp_path)
    assert status == 1
    assert isinstance(events[-1], ErrorEvent)
    assert events[-1].kind == "training"
    assert events[-1].message.startswith("training: unexpected error: ")
    assert "\n" not in events[-1].message
    assert "Traceback" in stderr


def test_a_download_reports_its_progress(
    job: TrainJob, events: list[Event], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The archive of another file: the download goes well, the check does not.
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    (elsewhere / CIFAR10.downloads[0].name).write_bytes(bytes(1000))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("CIFAR10_URL", f"http://127.0.0.1:{server.server_port}/{CIFAR10.downloads[0].name}")
    try:
        with pytest.raises(DataError, match="not the official archive"):
            do(short(job.model_copy(update={"folder": None})), events.append)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert events == [DownloadEvent(title="CIFAR-10", done=1000, total=1000)]


def test_a_graph_that_takes_memory_for_few_images_alone_is_stopped_and_blamed(
    job: TrainJob, events: list[Event], forged: Callable[..., Model]
) -> None:
    # 2 ** 32 / N ** 2 numbers: 17 KB for the batch that the memory is worked out for, 4 GiB for two images.
    n = {"ref": "f0"}
    model = forged(
        job.model,
        ("aten.sym_size.int", {"ref": "x"}, 0),
        ("operator.mul", n, n),
        ("operator.floordiv", 2**32, {"ref": "f1"}),
        ("aten.ones.default", [{"ref": "f2"}]),
        f3=["computed"],
    )
    small = {"model": model, "memory_mib": 64}
    too_much = "it takes more memory than limits.training_memory_mib of the assignment allows"
    with pytest.raises(GraphError, match=too_much):
        do(short(job.model_copy(update=small)), events.append)
    assert [type(event) for event in events] == [DataEvent, ReadyEvent]
    probe = ProbeJob(models={"basic": model}, data=job.data, batch_size=1000, threads=2, memory_mib=64)
    do(probe, events.append)
    assert too_much in found_in(events)


def test_a_graph_that_stops_in_the_middle_of_a_training_is_blamed(
    job: TrainJob, events: list[Event], forged: Callable[..., Model]
) -> None:
    # A place in the images that depends on what is in them: black ones, on which graphs are tried, have it.
    model = forged(
        job.model,
        ("aten.amax.default", {"ref": "x"}),
        ("aten.mul.Scalar", {"ref": "f0"}, 1e6),
        ("aten.to.dtype", {"ref": "f1"}, {"special": "dtype", "value": "int64"}),
        ("aten.reshape.default", {"ref": "f2"}, [1]),
        ("aten.index_select.default", {"ref": "x"}, 0, {"ref": "f3"}),
    )
    with pytest.raises(GraphError, match=r"network: stopped while it ran: IndexError: .*\(in layer f4\)"):
        do(short(job.model_copy(update={"model": model})), events.append)
    assert isinstance(events[-1], ReadyEvent)


def test_a_child_that_only_probes_does_not_wait_for_the_libraries_of_images(job: TrainJob) -> None:
    slow = "{'albumentations', 'cv2', 'scipy', 'torchvision'}"
    code = (
        "import sys\nfrom harness.training.worker import do\nfrom harness.training.jobs import JOBS\n"
        f"do(JOBS.validate_json(sys.argv[1]), lambda _: None)\nprint(sorted({slow} & sys.modules.keys()))"
    )
    probe = ProbeJob(models={"basic": job.model}, data=job.data, batch_size=128, threads=2)
    done = subprocess.run(
        [sys.executable, "-c", code, probe.model_dump_json()], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_nothing_is_imported_just_to_be_deterministic() -> None:
    code = (
        "import sys, harness.training.determinism as d\nbefore = set(sys.modules)\n"
        "d.make_deterministic(2)\nprint(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_job_that_comes_to_no_result_leaves_those_after_it(job: TrainJob, tmp_path: Path) -> None:
    lost = FieldJob(
        model=Model(architecture=tmp_path / "lost.json", weights=tmp_path / "lost.safetensors"),
        threads=1, images=1, seed=0,
    )  # fmt: skip
    jobs = [lost, lost.model_copy(update={"model": job.model})]
    status, events, _ = child("\n".join(one.model_dump_json() for one in jobs), tmp_path)
    assert [type(event) for event in events] == [ErrorEvent, FieldEvent]
    assert status == 0


def test_a_graph_is_parsed_once_for_all_jobs_of_a_process(
    job: TrainJob, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    parse = Architecture.model_validate_json
    monkeypatch.setattr(Architecture, "model_validate_json", lambda text: parsed.append(text) or parse(text))
    do(ProbeJob(models={"basic": job.model}, data=job.data, batch_size=128, threads=2), events.append)
    do(short(job), events.append)
    do(FieldJob(model=job.model, threads=1, images=1, seed=0), events.append)
    assert len(parsed) <= 1  # another test of this process may have parsed it
    assert isinstance(events[-1], FieldEvent)
