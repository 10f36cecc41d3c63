"""Is this machine fit for reproducible grading? One check for each source of variability, with its fix."""

from harness.assignment.spec import AssignmentSpec
from harness.base.errors import HarnessError, SandboxError
from harness.base.gpus import gpus
from harness.base.installation import how_to_install, pinned, versions
from harness.base.machine import Check, computes_bfloat16, now
from harness.datasets.dataset import Public
from harness.datasets.spec import DataSpec
from harness.loader.client import open_loader
from harness.training import client as runner
from harness.training.events import DoctorEvent
from harness.training.jobs import DoctorJob

_DECISIVE = ("torch", "torchvision", "albumentations", "numpy", "opencv-python-headless")


def examine(assignment: AssignmentSpec, data: str | None) -> tuple[Check, ...]:
    """Check everything a grade depends on besides the submission; `data` as in `harness grade`."""
    return (
        check_versions(),
        check_sandbox(),
        *_child(assignment, data),
        check_bfloat16(assignment),
        *now(assignment.recipe.threads),
    )


def check_versions() -> Check:
    """Check that the packages which decide bytes have the versions of the lock files."""
    found = versions(_DECISIVE)
    pins = pinned()
    others = [name for name in _DECISIVE if _plain(found.get(name, "not installed")) != pins[name]]
    if others:
        said = ", ".join(
            f"{name} {found.get(name, 'not installed')} (pinned {pins[name]})" for name in others
        )
        return Check("versions", "CAUTION", f"other bytes than elsewhere: {said}", how_to_install(*others))
    return Check("versions", "PASS", ", ".join(f"{name} {found[name]}" for name in _DECISIVE))


def check_sandbox() -> Check:
    """Check that a process can be locked here, and by which backend."""
    try:
        with open_loader() as sandbox:
            backend = sandbox.backend
    except SandboxError as error:
        return Check("sandbox", "FAIL", str(error), "Enable Landlock: lsm=landlock,... for the kernel.")
    if backend == "bwrap":
        return Check("sandbox", "PASS", "bwrap: locked, and in namespaces of its own")
    return Check("sandbox", "CAUTION", "lock: locked; sees that files exist", "apt-get install bubblewrap")


def check_gpus(*, is_used: bool) -> Check:
    """List the GPUs and their slices, and say why torch cannot use them or what is not known of them."""
    found = gpus()
    if not found:
        return Check("GPUs", "PASS", "none: networks are trained on the processor")
    said = "; ".join(
        f"{gpu.name} ({'memory not known' if gpu.free_mib is None else f'{gpu.free_mib:,} MiB free'})"
        for gpu in found
    )
    if not is_used:
        fix = (
            "Install torch for CUDA and a driver that is new enough for it; the processor is used till then."
        )
        return Check("GPUs", "CAUTION", f"torch can use none of {said}", fix)
    if any(gpu.free_mib is None for gpu in found):
        fix = "Make nvidia-smi work for this user: until then a class has one grader a GPU."
        return Check("GPUs", "CAUTION", said, fix)
    return Check("GPUs", "PASS", f"{said}; driver {found[0].driver}")


def check_bfloat16(assignment: AssignmentSpec) -> Check:
    """Check what a processor without products of bfloat16 means for the recipes of an assignment."""
    asked = {name: assignment.recipe_for(name).precision for name in assignment.variants}
    if computes_bfloat16():
        return Check("bfloat16", "PASS", "computed natively")
    if set(asked.values()) == {"float32"}:
        return Check("bfloat16", "PASS", "not computed natively, and no recipe asks for it")
    slow = [name for name, precision in asked.items() if precision == "bfloat16"]
    if slow:
        fix = 'Set precision = "auto" in the recipe, or grade on a processor with AVX512_BF16 or AMX.'
        found = f"not computed natively: {', '.join(slow)} takes 7 to 12 times as long as in float32"
        return Check("bfloat16", "CAUTION", found, fix)
    fix = "Allow the time, or grade on a processor with AVX512_BF16 or AMX."
    found = "not computed natively: networks with much arithmetic take 1.1 to 2.6 times as long, in float32"
    return Check("bfloat16", "CAUTION", found, fix)


# Private functions


def _plain(version: str) -> str:
    """Return a version without what tells its build apart: torch for CPU is 2.14.1+cpu."""
    return version.partition("+")[0]


def _child(assignment: AssignmentSpec, data: str | None) -> tuple[Check, ...]:
    """Ask a training child what torch is and does there, and whether the data is the official one."""
    job = DoctorJob(threads=assignment.recipe.threads, data=assignment.data, folder=data)
    try:
        found = runner.run(job, lambda _: None, assignment.limits.intake_s)
    except HarnessError as error:
        return (Check("torch", "FAIL", str(error), "make setup"),)
    assert isinstance(found, DoctorEvent)
    torch = found.fingerprint
    wrong = [name for name, ok in found.switches.items() if not ok]
    return (
        Check("torch", "PASS", f"{torch['torch']}, {torch['blas']}, {torch['cpu_kernels']} kernels"),
        Check("device", "PASS", f"{torch['device']}, {torch['cpu']}"),
        check_gpus(is_used=torch["device"] != "cpu"),
        Check(
            "determinism",
            "FAIL" if wrong else "PASS",
            f"not set: {', '.join(wrong)}" if wrong else f"{len(found.switches)} switches are set",
            "Unset the environment variables that change torch, and run again." if wrong else "",
        ),
        _data(found, assignment.data),
    )


def _data(found: DoctorEvent, spec: DataSpec) -> Check:
    dataset = spec.of
    if found.data_problem:
        return Check("data", "FAIL", found.data_problem, f"Put the files of {spec.title} in its place.")
    if found.data:
        right = "official MD5" if isinstance(dataset, Public) else "SHA-256"
        return Check("data", "PASS", f"{found.data}: every file has its {right}")
    if isinstance(dataset, Public):
        fix = f"Set {dataset.root_variable} or --data to the folder that holds {dataset.folder}."
        return Check("data", "CAUTION", f"{spec.title} is not here; a grade will download it", fix)
    fix = "Set HARNESS_DATA or --data to the folder that holds it."
    return Check("data", "FAIL", f"{spec.title} is not here", fix)
