import warnings
from pathlib import Path

import torch
from gpu_parts import operators_repeat
from gpu_trainings import Bench
from operator_inputs import operators


def test_on_a_cpu_every_operator_of_the_allow_list_runs_and_repeats() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch speaks of operators that go
        found = dict(operators_repeat(Bench(torch.device("cpu"), Path("none"))))
    assert found == {"equal": len(operators()), "different": [], "raised": [], "no inputs": []}
