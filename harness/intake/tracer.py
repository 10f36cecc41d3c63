"""Import a submission, build its model, export it, hand back plain data.

This is the only module that ever runs student code, in a process that `harness.intake.boot` has locked. A
child that lies can only hand in another graph, on which the submission is then graded.
"""

import contextlib
import copy
import hashlib
import importlib.util
import inspect
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torchinfo
from safetensors.torch import save
from torch import nn

from harness.analysis.graph import to_json
from harness.intake.exchange import MAX_TEXT, NOTEBOOK, Answer, Request, Wanted
from harness.intake.export import architecture_of
from harness.intake.failures import StudentFailure, explain, is_out_of_memory, student_traceback
from harness.intake.notebook import run_notebook
from harness.intake.stubs import Stubs, without_cuda
from harness.recipe import Scalar

NAMES_OF_CLASSES = ("num_classes", "classes", "n_classes", "nclasses", "n_class", "num_class", "output_size")
NAMES_OF_CHANNELS = ("in_channels", "in_ch", "input_channels", "in_chans", "channels")
USUAL: Mapping[str, Scalar] = {
    **dict.fromkeys(("dropout", "drop", "dropout_value", "dropout_rate", "dropout_prob", "drop_rate"), 0.1),
    **dict.fromkeys(("norm", "norm_type", "normalization", "norm_layer"), "BN"),
    "base_channels": 32,
}
"""What a constructor's parameter without a default is given, by its name."""


@dataclass(frozen=True)
class Built:
    """A constructed model and what it took."""

    name: str
    model: nn.Module


def answer(request: Request, wanted: Wanted) -> tuple[bytes, bytes, bytes]:
    """Build and export one variant: `Answer`, ``architecture.json``, ``initial.safetensors`` as bytes.

    The last two are empty where the submission's own code stopped the intake.
    """
    try:
        built = _build(request, wanted)
        architecture, weights, said = exported(built.name, built.model, request)
        # It decides nothing: a model it cannot handle is described by less.
        with contextlib.suppress(Exception):
            said = said.model_copy(update={"seeds_differ": _seeds_differ(request, wanted, built)})
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
    request = Request(
        root=Path("/"), variants={}, input_shape=(3, 32, 32), classes=10, init_seed=0, other_init_seed=1,
        cpu_s=1, memory_mib=1, output_mib=1, out=Path("/"),
    )  # fmt: skip
    exported("Warm", _Warm(), request)


def exported(name: str, model: nn.Module, request: Request) -> tuple[bytes, bytes, Answer]:
    """Run a model once and export it: ``architecture.json``, ``initial.safetensors``, a good `Answer`.

    Raises:
        StudentFailure: the model cannot be run or exported, or is too large.
    """
    with _stage("forward", request):
        _prepare(model, request)
    with _stage("export", request):
        architecture, tensors = architecture_of(model, request.input_shape, request.root)
    with _stage("write", request):
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
    return graph, weights, Answer(class_name=name[:200], stage="done", summary=summary)


class _Warm(nn.Module):
    """Touches what an export of the usual layers loads and prepares as it goes along."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.1)
        )
        self.depthwise = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4, bias=False)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(x)
        x = self.pool(nn.functional.relu(x + self.depthwise(x)))
        logits: torch.Tensor = self.fc(x.view(x.size(0), -1))
        return nn.functional.log_softmax(logits, dim=1)


def _bytes(answer: Answer) -> bytes:
    return answer.model_dump_json().encode()


def _build(request: Request, wanted: Wanted) -> Built:
    stubs = Stubs([wanted.file.parent, request.root])
    stubs.install()
    without_cuda()
    with _stage("import", request):
        _seed(request.init_seed)
        module = _import_file(wanted.file, request.root)
    stubs.importing = False
    if stubs.used:
        print("not imported, a model does not need them:", ", ".join(sorted(stubs.used)))  # noqa: T201
    if wanted.class_name is None:
        return _find_model(module, request, wanted)
    found = getattr(module, wanted.class_name, None)
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        names = ", ".join(name for name, _ in _model_classes(module)) or "none"
        raise StudentFailure(
            "find",
            f"{wanted.file.name}: no torch.nn.Module class named {wanted.class_name}; "
            f"the file defines: {names}. Name one of them in submission.toml or with --class.",
        )
    return _construct(found, request, wanted)


def _seed(seed: int) -> None:
    """Seed every generator that an initialisation may draw from."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _import_file(path: Path, root: Path) -> ModuleType:
    # As in the student's own run: beside the file, and from the submission's root.
    sys.path[:0] = [str(path.parent), str(root)]
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"_{path.stem}"
    if path.suffix == NOTEBOOK:
        module = sys.modules[name] = ModuleType(name)
        cells = run_notebook(path, module)
        print(f"{path.name}: used code cells {', '.join(map(str, cells)) or 'none'}")  # noqa: T201
        return module
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StudentFailure("import", f"{path.name}: not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _model_classes(module: ModuleType) -> list[tuple[str, type[nn.Module]]]:
    return [
        (name, value)
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    ]


def _construct(cls: type[nn.Module], request: Request, wanted: Wanted, seed: int | None = None) -> Built:
    with _stage("construct", request, cls.__name__):
        arguments = {**_usual_arguments(cls, request), **wanted.arguments}
        _seed(request.init_seed if seed is None else seed)
        return Built(cls.__name__, cls(**arguments))


def _usual_arguments(cls: type[nn.Module], request: Request) -> dict[str, Scalar]:
    """Give parameters without a default the value they usually have; none where one has no usual value."""
    usual: dict[str, Scalar] = {**USUAL, **dict.fromkeys(NAMES_OF_CLASSES, request.classes)}
    usual |= dict.fromkeys(NAMES_OF_CHANNELS, request.input_shape[0])
    required = [
        name
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    return {name: usual[name] for name in required if name in usual}


def _find_model(module: ModuleType, request: Request, wanted: Wanted) -> Built:
    """Take the one class that maps (N, C, H, W) images to (N, classes) logits."""
    candidates: list[Built] = []
    reasons: list[str] = []
    classes = _model_classes(module)
    only: StudentFailure | None = None
    for _, cls in classes:
        try:
            built = _construct(cls, request, wanted)
            with _stage("forward", request, cls.__name__):
                result = _eager_forward(built.model, request)
        except StudentFailure as failure:
            reasons.append(f"{cls.__name__}: {failure.message}")
            # A file with one network: what stopped it is the whole story.
            only = failure if len(classes) == 1 else None
            continue
        given = tuple(result.shape) if isinstance(result, torch.Tensor) else f"a {type(result).__name__}"
        if given == (2, request.classes):
            candidates.append(built)
        else:
            reasons.append(f"{cls.__name__}: gives {given} for two images")
    if len(candidates) == 1:
        return candidates[0]
    if only is not None and not candidates:
        raise only
    images = "(N, {}, {}, {})".format(*request.input_shape)
    if not candidates:
        details = "; ".join(reasons) or "the file defines no torch.nn.Module"
        raise StudentFailure(
            "find",
            f"{wanted.file.name}: no class takes {images} images and gives (N, {request.classes}) "
            f"logits ({details}). Name the class with --class and its arguments with --ctor.",
        )
    listed = ", ".join(f"{b.name} ({_numel(b.model):,} parameters)" for b in candidates)
    raise StudentFailure(
        "choose", f"{wanted.file.name}: several models fit: {listed}. Choose one with --class NAME."
    )


def _prepare(model: nn.Module, request: Request) -> None:
    """Run the model once, so that its own mistakes show as themselves and lazy layers take shape."""
    logits = _eager_forward(model, request)
    if not isinstance(logits, torch.Tensor):
        raise StudentFailure(
            "forward",
            f"{type(model).__name__}: forward returns {type(logits).__name__}; expected one tensor "
            f"of logits, shape (N, {request.classes}).",
        )


def _eager_forward(model: nn.Module, request: Request) -> object:
    training = model.training
    model.eval()
    with torch.no_grad():
        result: object = model(torch.zeros(2, *request.input_shape))
    model.train(training)
    return result


def _seeds_differ(request: Request, wanted: Wanted, built: Built) -> bool:
    other = _construct(type(built.model), request, wanted, seed=request.other_init_seed)
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in other.model.parameters()):
        _eager_forward(other.model, request)
    return _digest(built.model) != _digest(other.model)


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


def _numel(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@contextmanager
def _stage(stage: str, request: Request, class_name: str = "") -> Iterator[None]:
    """Turn whatever student code raises, exits included, into a `StudentFailure` of this stage."""
    try:
        yield
    except StudentFailure:
        raise
    except BaseException as error:  # noqa: BLE001 - student code may raise anything
        raise StudentFailure(
            stage,
            explain(error, stage, request.root, class_name),
            traceback=student_traceback(error, request.root),
            class_name=class_name,
            out_of_memory=is_out_of_memory(error),
        ) from None
