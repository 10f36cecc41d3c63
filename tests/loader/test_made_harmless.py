# ruff: noqa: E501 - a source on one line
"""What is no part of a network, asked of torch by a submission, changes nothing; and the student is told.

Every submission is honest code; one child takes in all of them.
"""

from collections.abc import Mapping
from textwrap import dedent

import pytest
from intake import request

from harness.graph.operators import unknown_ops
from harness.loader.child import NOT_TRAINABLE
from harness.loader.client import Loaded, LoadFailure, trace
from harness.loader.made_harmless import AUTOCAST, COMPILED, GPU, LOGGED, THREADS
from harness.sources.requested import Requested

NET = dedent("""
    import logging
    import tempfile
    import torch
    from torch import nn
    from torch.cuda.amp import autocast
    from torch.utils.checkpoint import checkpoint, checkpoint_sequential


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.fc = nn.Linear(4, 10)

        def forward(self, x):
            x = torch.relu(self.conv(x))
            return self.fc(x.mean((2, 3)))
""").lstrip()
MOVES = ("aten.to.device", "aten.to.dtype_layout", "aten._assert_tensor_metadata.default")
SUPER, FORWARD, RELU = "super().__init__()", "    def forward(self, x):\n", "torch.relu(self.conv(x))"


def calling(line: str) -> str:
    """The network, with a line more in its constructor."""
    return NET.replace(SUPER, f"{SUPER}\n        {line}")


def within(manager: str) -> str:
    """The network, with its convolution inside a `with`."""
    return NET.replace(f"x = {RELU}", f"with {manager}:\n            x = {RELU}")


def decorated(decorator: str) -> str:
    return NET.replace(FORWARD, f"    {decorator}\n{FORWARD}")


CASES: Mapping[str, tuple[str, str]] = {
    "plain": (NET, ""),
    "threads": (NET.replace("\n\nclass", "torch.set_num_threads(4)\n\nclass"), THREADS),
    "threads_in_the_constructor": (calling("torch.set_num_threads(8)"), THREADS),
    "threads_between_operators": (calling("torch.set_num_interop_threads(2)"), THREADS),
    "autocast_on_the_cpu": (within("torch.autocast('cpu', dtype=torch.bfloat16)"), AUTOCAST),
    "autocast_nested": (within("torch.autocast('cpu'), torch.autocast('cpu', enabled=False)"), AUTOCAST),
    "autocast_decorator": (decorated("@torch.autocast('cpu', dtype=torch.bfloat16)"), AUTOCAST),
    "autocast_for_a_gpu": (within("torch.autocast('cuda', dtype=torch.float16)"), AUTOCAST),
    "autocast_of_cuda": (decorated("@autocast()"), AUTOCAST),
    "compiled_forward": (decorated("@torch.compile"), COMPILED),
    "compiled_with_options": (decorated("@torch.compile(mode='max-autotune')"), COMPILED),
    "compiled_layer": (calling("self.conv = torch.compile(nn.Conv2d(3, 4, 3, padding=1))"), COMPILED),
    "compiled_in_place": (calling("self.compile()"), COMPILED),
    "scripted_layer": (calling("self.conv = torch.jit.script(nn.Conv2d(3, 4, 3, padding=1))"), COMPILED),
    "scripted_function": (
        NET.replace("\n\nclass", "@torch.jit.script\ndef act(x):\n    return torch.relu(x)\n\n\nclass").replace(
            "torch.relu(self", "act(self"
        ),
        COMPILED,
    ),
    "traced_layer": (
        calling("self.conv = torch.jit.trace(nn.Conv2d(3, 4, 3, padding=1), torch.zeros(1, 3, 8, 8))"),
        COMPILED,
    ),
    "checkpointed": (NET.replace(RELU, "torch.relu(checkpoint(self.conv, x, use_reentrant=True))"), ""),
    "checkpointed_otherwise": (NET.replace(RELU, "torch.relu(checkpoint(self.conv, x, use_reentrant=False))"), ""),
    "checkpointed_in_parts": (
        NET.replace(RELU, "checkpoint_sequential([self.conv, torch.relu], 2, x, use_reentrant=False)"), ""),
    "to_apple": (calling("self.to(torch.device('mps'))"), GPU),
    "to_a_second_gpu": (calling("self.to(device='cuda:1')"), GPU),
    "images_to_apple": (NET.replace(RELU, "torch.relu(self.conv(x.to('mps')))"), GPU),
    "logs": (
        calling("logging.getLogger('net').addHandler(logging.FileHandler(tempfile.gettempdir() + '/net.log'))"),
        LOGGED,
    ),
    "hooks_on_gradients": (
        NET.replace("        return", "        x.register_hook(print)\n        x.retain_grad()\n        return"), ""),
    "a_method_that_trains": (
        NET + "\n    def train(self, loader, epochs=3):\n        for images, labels in loader:\n            pass\n", ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory, assignment, sandbox) -> Mapping[str, Loaded | LoadFailure]:
    root = tmp_path_factory.mktemp("switches")
    sources = {name: source for name, (source, _) in CASES.items()} | {
        "without_gradients": decorated("@torch.no_grad()"),
        "for_inference": decorated("@torch.inference_mode()"),
        "inference_decorator": decorated("@torch.inference_mode"),
        "not_for_inference": within("torch.inference_mode(mode=False)"),
    }
    for name, source in sources.items():
        (root / f"{name}.py").write_text(source)
    wanted = {name: Requested(file=root / f"{name}.py", class_name=None) for name in sources}
    limits = assignment.limits.model_copy(update={"intake_s": 300, "intake_cpu_s": 300})
    return trace(request(root, tmp_path_factory.mktemp("out"), wanted), limits, sandbox)


@pytest.fixture(scope="module")
def taken(answers):
    """What was made of a case that is taken in."""

    def answer(name: str) -> Loaded:
        found = answers[name]
        assert isinstance(found, Loaded), found
        return found

    return answer


@pytest.mark.parametrize("name", CASES)
def test_the_network_is_the_same_with_and_without(taken, name) -> None:
    plain, answer = taken("plain"), taken(name)
    assert not unknown_ops(answer.architecture)
    for mode in ("train", "eval"):
        own, usual = (
            [
                (node.op, node.args[1:], node.shape, node.dtype)
                for node in getattr(one.architecture, mode).nodes
            ]
            for one in (answer, plain)
        )
        assert [node for node in own if node[0] not in MOVES] == usual
    assert {t.name for t in answer.architecture.tensors} == {t.name for t in plain.architecture.tensors}


@pytest.mark.parametrize("name", CASES)
def test_the_student_is_told_what_does_nothing(taken, name) -> None:
    said = set(taken(name).notes) & {AUTOCAST, COMPILED, GPU, LOGGED, THREADS}
    assert said == ({CASES[name][1]} - {""})


@pytest.mark.parametrize("name", ["without_gradients", "for_inference", "inference_decorator"])
def test_a_network_that_nobody_can_train_is_taken_in_and_it_is_said(taken, name) -> None:
    answer = taken(name)
    assert not unknown_ops(answer.architecture)
    assert answer.architecture.train.nodes[-1].op == "aten.detach.default"
    assert NOT_TRAINABLE in answer.notes


@pytest.mark.parametrize("name", ["plain", "not_for_inference"])
def test_a_network_that_can_be_trained_is_not_said_to_be_none(taken, name) -> None:
    assert NOT_TRAINABLE not in taken(name).notes
