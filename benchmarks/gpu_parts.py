"""The parts of `benchmarks/gpu.py`: each yields its results, by name, as it has them."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import torch
from gpu_trainings import NETWORKS, STEPS, Bench
from operator_inputs import Arguments, arguments, operators, overload, placed
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._pytree import tree_leaves

from harness.graph import ir as plain
from harness.training.chance.distributions import exponential, integers, kept, normal, uniform
from harness.training.chance.philox import Moment, Stream
from harness.training.determinism import make_deterministic
from harness.training.program import compiled

Results = Iterator[tuple[str, Any]]
FORMATS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
TOGETHER = (1, 2, 4, 8)


def operators_repeat(bench: Bench) -> Results:
    """Compare the bytes of every operator, forward and backward, run twice as a training runs it."""
    make_deterministic(2)
    found: dict[str, list[str]] = {"equal": [], "different": [], "raised": [], "no inputs": []}
    for name in operators()[:: 5 if bench.quick else 1]:
        kinds = arguments(name)
        outcomes = [
            _repeats(name, args, bench.device, layout) for args, layout in product(kinds, FORMATS.values())
        ]
        worst = next((o for o in outcomes if o != "equal"), "equal" if kinds else "no inputs")
        found["raised" if worst not in found else worst].append(
            name if worst in found else f"{name}: {worst}"
        )
    for kind, names in found.items():
        yield kind, len(names) if kind == "equal" else names


def golden(bench: Bench) -> Results:
    """Compare the bytes of the first steps: recorded, recorded again, and from Python."""
    for variant in NETWORKS:
        recipe = bench.recipe(variant).changed({"epochs": 2, "stages": [{"epochs": 1, "size_px": 16}]})
        data = bench.few((2 if bench.quick else STEPS) * recipe.batch_size)
        runs = [bench.train(variant, recipe, data, how) for how in (None, None, bench.plainly())]
        hashes = [run.training.weights_sha256 for run in runs]
        yield variant, runs[0].summary()
        yield f"{variant}: twice the same", hashes[0] == hashes[1]
        yield f"{variant}: recorded as from Python", hashes[0] == hashes[2]


def chance(bench: Bench) -> Results:
    """Compare the bits of random numbers of every kind, drawn on a CPU and on the device."""
    drawn: dict[str, Callable[[Stream, torch.device], torch.Tensor]] = {
        "dropout": lambda stream, device: kept(stream, (128, 64, 16, 16), 0.2, device),
        "dropout2d": lambda stream, device: kept(stream, (128, 64, 1, 1), 0.5, device),
        "uniform": lambda stream, device: uniform(stream, (1000, 100), torch.float32, device),
        "normal": lambda stream, device: normal(stream, (1000, 100), torch.float32, device),
        "exponential": lambda stream, device: exponential(stream, (1000, 100), torch.float32, device),
        "integers": lambda stream, device: integers(stream, 0, 10, (1000, 100), device),
    }
    for name, draw in drawn.items():
        stream = Moment(seed=12345, epoch=3, step=7).stream(2)
        here, there = (_sha256([draw(stream, device)]) for device in (torch.device("cpu"), bench.device))
        yield name, {"sha256": there, "as on a CPU": here == there}


def whole(variant: str) -> Callable[[Bench], Results]:
    """Make the part that trains a variant by its recipe, on all images."""

    def part(bench: Bench) -> Results:
        recipe, data = bench.recipe(variant), bench.data
        if bench.quick:
            recipe, data = bench.recipe(variant, 1).changed({"stages": []}), bench.few(2 * recipe.batch_size)
        yield "data", {"name": data.name, "training images": len(data.train.labels), "recipe": recipe.epochs}
        yield "training", bench.train(variant, recipe, data).summary()
        if bench.device.type == "cuda":
            yield "peak_memory_mib", round(torch.cuda.max_memory_allocated() / 2**20)

    return part


def together(bench: Bench) -> Results:
    """Start one, two, four and eight trainings of `basic` at the same moment, each in its process."""
    counts = TOGETHER[:2] if bench.quick else TOGETHER
    command = [sys.executable, str(Path(__file__).with_name("gpu.py")), "--on-command"]
    command += ["--device", bench.device.type, "--pack", str(bench.pack), *["--quick"] * bench.quick]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(counts[-1])
    ]
    try:
        for child in children:
            _answer(child)
        alone_s = 0.0
        for count in counts:
            started = time.monotonic()
            for child in children[:count]:
                _say(child, "train")
            said = [json.loads(_answer(child)) for child in children[:count]]
            seconds = time.monotonic() - started
            alone_s = alone_s or seconds
            yield (
                str(count),
                {
                    "seconds": round(seconds, 2),
                    "times as long as one": round(seconds / alone_s, 2),
                    "images_per_s": round(sum(one["images"] for one in said) / seconds),
                    "same bytes": len({one["weights_sha256"] for one in said}) == 1,
                },
            )
    finally:
        for child in children:
            child.kill()
            child.communicate()


def waits(bench: Bench) -> Results:
    """Profile an epoch of `basic` at full size, recorded and from Python."""
    recipe = bench.recipe("basic").changed({"epochs": 1, "stages": []})
    data = bench.few((3 if bench.quick else 50) * recipe.batch_size)
    on_gpu = bench.device.type == "cuda"
    for name, how in (("recorded", None), ("from Python", bench.plainly())):
        with profile(activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]) as profiled:
            timed = bench.train("basic", recipe, data, how)
        sort = "self_device_time_total" if on_gpu else "self_cpu_time_total"
        events = profiled.key_averages()
        busy_s = sum(
            getattr(event, sort) for event in events if not on_gpu or event.device_type == DeviceType.CUDA
        ) / 1e6  # fmt: skip
        yield (
            name,
            {
                "seconds": round(timed.seconds, 3),
                "busy": round(busy_s / timed.seconds, 2),
                "table": events.table(sort_by=sort, row_limit=15, max_name_column_width=60),
            },
        )


PARTS: dict[str, tuple[Callable[[Bench], Results], float]] = {
    "operators": (operators_repeat, 60),
    "golden": (golden, 60),
    "chance": (chance, 20),
    "basic": (whole("basic"), 60),
    "dilated": (whole("dilated"), 110),
    "together": (together, 110),
    "waits": (waits, 40),
}
"""Every part with its limit in seconds; all together are less than eight minutes."""


# Private functions

_NO_GRADIENT = "derivative"
"""What torch speaks of where an operator has none: such an operator is run without."""
_NOT_TRAINED = ("running_mean", "running_var", "random_samples")
"""Arguments that have no gradient."""


def _repeats(name: str, given: Arguments, device: torch.device, layout: torch.memory_format) -> str:
    """Return ``equal``, ``different`` or the message of what was raised."""
    try:
        one, other = (_sha256(_once(name, given, device, layout)) for _ in range(2))
    except Exception as error:  # noqa: BLE001 - whatever torch raises is the result
        if _NO_GRADIENT in str(error) and torch.is_grad_enabled():
            with torch.no_grad():
                return _repeats(name, given, device, layout)
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    return "equal" if one == other else "different"


def _once(
    name: str, given: Arguments, device: torch.device, layout: torch.memory_format
) -> list[torch.Tensor]:
    """Run an operator in a graph of its own; return its values and the gradients of what it is given."""
    args, kwargs = placed(given, device, layout)
    leaves = {
        f"t{number}": leaf
        for number, leaf in enumerate(leaf for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf))
    }
    names = {id(leaf): key for key, leaf in leaves.items()}
    node = plain.Node(
        name="node",
        op=name,
        args=tuple(_as_data(value, names) for value in args),
        kwargs={key: _as_data(value, names) for key, value in kwargs.items()},
    )
    graph = plain.Graph(
        inputs=("image",), input_shape=(1,), bindings={key: key for key in leaves}, nodes=(node,),
        outputs=("node",),
    )  # fmt: skip
    schema = overload(name)._schema.arguments
    apart = {id(arg) for arg, asked in zip(args, schema, strict=False) if asked.name in _NOT_TRAINED}
    trained = [
        leaf.requires_grad_() for leaf in leaves.values() if _has_gradient(leaf) and id(leaf) not in apart
    ]
    seen: list[Any] = []
    compiled(graph, device).run(
        torch.zeros(1, device=device),
        # Copies: an operator in place may not write to what is trained.
        {key: leaf.clone() for key, leaf in leaves.items()},
        lambda _, value: seen.append(value),
        moment=Moment(1, 1, 1),
    )
    values = [leaf for leaf in tree_leaves(seen) if _is_tensor(leaf)]
    reached = [value for value in values if value.requires_grad]
    torch.autograd.backward(reached, [_weights(value) for value in reached])
    return values + [leaf.grad for leaf in trained if leaf.grad is not None]


def _is_tensor(leaf: object) -> bool:
    return isinstance(leaf, torch.Tensor)


def _has_gradient(leaf: torch.Tensor) -> bool:
    return leaf.is_floating_point() or leaf.is_complex()


def _as_data(value: Any, names: Mapping[int, str]) -> Any:
    """Write an argument as a graph does."""
    if isinstance(value, (tuple, list)):
        return [_as_data(one, names) for one in value]
    if isinstance(value, torch.Tensor):
        return plain.Ref(ref=names[id(value)])
    if isinstance(value, (torch.dtype, torch.device)):
        kind = "dtype" if isinstance(value, torch.dtype) else "device"
        return plain.Special(special=kind, value=str(value))
    return value


def _weights(value: torch.Tensor) -> torch.Tensor:
    """Return a gradient for a value in which no two places are alike."""
    return torch.linspace(0.5, 1.5, value.numel(), device=value.device).view(value.shape).to(value.dtype)


def _sha256(tensors: Iterable[torch.Tensor]) -> str:
    sha = hashlib.sha256()
    for tensor in tensors:
        what = f"{tuple(tensor.shape)} {tensor.dtype}"
        sha.update(what.encode() + tensor.numpy(force=True).tobytes())
    return sha.hexdigest()


def _say(child: subprocess.Popen[str], line: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{line}\n")
    child.stdin.flush()


def _answer(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise RuntimeError(f"a training ended with exit code {child.wait()}; its messages are above")
    return line
