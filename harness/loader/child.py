"""Import a submission, build its model, export it, hand back plain data.

This is the only module that ever runs student code, in a process that the sandbox has locked. A child that
lies can only hand in another graph, on which the submission is then graded.
"""

import contextlib
import copy
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torchinfo
from safetensors.torch import save
from torch import nn

from harness.graph.ir import to_json
from harness.loader import made_harmless
from harness.loader.construct import Built, construct_with, seed_all
from harness.loader.construction_lines import lines_of, note_lines
from harness.loader.export import architecture_of
from harness.loader.failures import StudentFailure, stage
from harness.loader.forward import eager_forward, first_result
from harness.loader.protocol import MAX_NOTE, MAX_TEXT, Answer, Request
from harness.loader.search import Found, Search
from harness.loader.stubs import Stubs
from harness.sources.requested import Requested

NOT_REPRODUCIBLE = (
    "the initial weights are not reproducible: built twice with one seed, they differ; draw them with torch, "
    "numpy or random, and from nothing else"
)

NOT_TRAINABLE = (
    "no weight of it can be trained: its logits have no gradient, as where forward runs under "
    "torch.no_grad() or ends in .detach() or .data; remove that from forward"
)


def answers(data: bytes) -> Iterator[bytes]:
    """Yield three blocks for every variant of a `Request`, see `answer`."""
    torch.set_num_threads(1)
    request = Request.model_validate_json(data)
    for requested in request.variants.values():
        yield from answer(request, requested)


def answer(request: Request, requested: Requested) -> tuple[bytes, bytes, bytes]:
    """Build and export one variant: `Answer`, ``architecture.json``, ``initial.safetensors`` as bytes.

    The last two are empty where the submission's own code stopped the loading.
    """
    try:
        found, notes = _find(request, requested)
        built = found.built
        architecture, weights, said = exported(built.name, built.model, request)
        told = notes()
        # It decides nothing: a model it cannot handle is described by less.
        with contextlib.suppress(Exception):
            own, again = _digest(built.model), _digest_of_another(request, built, request.init_seed)
            other = _digest_of_another(request, built, request.other_init_seed)
            said = said.model_copy(update={"seeds_differ": own != other})
            told += [NOT_REPRODUCIBLE] if own != again else []
            told += [NOT_TRAINABLE] if not _is_trainable(built.model, request) else []
        said = said.model_copy(update={"notes": tuple(note[:MAX_NOTE] for note in told)})
        return _bytes(said), architecture, weights
    except StudentFailure as failure:
        said = Answer(
            class_name=failure.class_name[:200],
            stage=failure.stage,
            message=failure.message[:MAX_TEXT],
            traceback=failure.traceback[:MAX_TEXT],
            out_of_memory=failure.out_of_memory,
        )
        return _bytes(said), b"", b""


def warm_up() -> None:
    """Export a small network, so that nothing is left to load once the process is locked."""
    torch.set_num_threads(1)
    request = Request(
        root=Path("/"), variants={}, input_shape=(3, 16, 16), classes=2, init_seed=0, other_init_seed=1,
        cpu_s=1, memory_mib=1, output_mib=1, out=Path("/"),
    )  # fmt: skip
    exported("Warm", _Warm(), request)


def exported(name: str, model: nn.Module, request: Request) -> tuple[bytes, bytes, Answer]:
    """Run a model once and export it: ``architecture.json``, ``initial.safetensors``, a good `Answer`.

    Raises:
        StudentFailure: the model cannot be run or exported, or is too large.
    """
    _prepare(name, model, request)
    with stage("export", request.root):
        architecture, tensors = architecture_of(model, request.input_shape, request.root)
    with stage("write", request.root):
        graph, weights = to_json(architecture).encode(), save(tensors)
    size_mib = (len(graph) + len(weights)) / 2**20
    if size_mib > request.output_mib:
        raise StudentFailure(
            "write",
            f"{name}: the exported model is larger than the assignment allows; expected at most "
            f"{request.output_mib} MiB, got {size_mib:.1f} MiB. Make the model smaller.",
            class_name=name,
        )
    summary = ""
    with contextlib.suppress(Exception):
        summary = _summary(model, request)
    lines: dict[str, str] = {}
    with contextlib.suppress(Exception):
        lines = lines_of(model, request.root)
    return graph, weights, Answer(class_name=name[:200], stage="done", summary=summary, lines=lines)


class _Warm(nn.Module):
    """Touches what an export of the usual layers loads and prepares as it goes along."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.1)
        )
        self.depthwise = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4, bias=False)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(x)
        x = self.pool(nn.functional.relu(x + self.depthwise(x)))
        logits: torch.Tensor = self.fc(x.view(x.size(0), -1))
        return nn.functional.log_softmax(logits, dim=1)


def _bytes(answer: Answer) -> bytes:
    return answer.model_dump_json().encode()


def _find(request: Request, requested: Requested) -> tuple[Found, Callable[[], list[str]]]:
    """Find and build the model; the notes are complete once it has been run."""
    stubs, let_pass = Stubs(), set[str]()
    stubs.install()
    made_harmless.install(let_pass.add)
    note_lines(request.root)
    seed_all(request.init_seed)
    search = Search(request, requested, stubs)
    found = search.run()

    def notes() -> list[str]:
        unused = f"not imported, a model does not need them: {', '.join(sorted(stubs.used))}"
        return [
            _as_written(found, request),
            *found.notes,
            *search.otherwise_called(found),
            *([unused] if stubs.used else []),
            *sorted(let_pass),
        ]

    return found, notes


def _as_written(found: Found, request: Request) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in found.built.arguments.items())
    return f"built {found.built.name}({arguments}) of {found.file.relative_to(request.root).as_posix()}"


def _prepare(name: str, model: nn.Module, request: Request) -> None:
    """Run the model once, so that its own mistakes show as themselves and lazy layers take shape."""
    logits = first_result(model, request, name)
    if not isinstance(logits, torch.Tensor):
        raise StudentFailure(
            "forward",
            f"{type(model).__name__}: forward returns {type(logits).__name__}; expected one tensor "
            f"of logits, shape (N, {request.classes}).",
        )


def _is_trainable(model: nn.Module, request: Request) -> bool:
    logits = eager_forward(model, request)
    return isinstance(logits, torch.Tensor) and logits.requires_grad


def _digest_of_another(request: Request, built: Built, seed: int) -> str:
    """Construct the model once more, and give the digest of its weights."""
    other = construct_with(built.factory, request, built.arguments, seed)
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in other.model.parameters()):
        eager_forward(other.model, request)
    return _digest(other.model)


def _digest(model: nn.Module) -> str:
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes() if tensor.ndim else b"")
    return sha.hexdigest()


def _summary(model: nn.Module, request: Request) -> str:
    """Describe the model with torchinfo, in the seed project's format. For display only."""
    statistics = torchinfo.summary(
        copy.deepcopy(model), input_size=(1, *request.input_shape), depth=4, verbose=0, device="cpu"
    )
    # torchinfo 1.8.0 prints the name of its own enumeration where the unit belongs.
    text = str(statistics).replace("Units.MEGABYTES", "MB")
    return f"Trainable parameters: {statistics.trainable_params}\n\n{text}"[:MAX_TEXT]
