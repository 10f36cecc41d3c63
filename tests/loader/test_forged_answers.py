"""A submission that writes the answer itself, or replaces what writes it, gains nothing."""

import platform
from textwrap import dedent

import pytest
from attacks import HONEST, PIPE, blamed
from checkout import REPOSITORY

from harness.loader.client import Loaded, LoadFailure

pytestmark = [
    pytest.mark.skipif(platform.system() != "Linux", reason="the lock is Linux's"),
    pytest.mark.usefixtures("nothing_stays_running"),
]


def test_a_flood_into_the_pipe_ends_at_the_limit(attacked):
    source = PIPE + "while True:\n    os.write(pipes[0], bytes(2**16))\n"
    assert "said more than the 9 MiB that are allowed" in blamed(attacked(source))


def test_the_only_descriptor_to_be_found_is_the_pipe_for_the_answer(attacked):
    answer = attacked(PIPE + "print('pipes', len(pipes))\n" + HONEST)
    assert isinstance(answer, Loaded)
    assert "pipes 1" in answer.output


def test_a_forged_answer_that_is_no_answer_is_refused(attacked):
    source = PIPE + "os.write(pipes[0], (7).to_bytes(8, 'big') + b'forged!' + bytes(16))\nos._exit(0)\n"
    assert "the child's answer is not of the agreed form" in blamed(attacked(source))


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        ('{"stage": "import", "message": "more memory, please", "out_of_memory": true}', "over_memory"),
        ('{"stage": "write", "message": "too large, by itself"}', "over_output"),
    ],
)
def test_a_forged_lack_of_memory_or_room_does_not_ask_for_another_grade(attacked, said, ending):
    blocks = "for block in (said, b'', b''):\n    os.write(pipes[0], len(block).to_bytes(8, 'big') + block)\n"
    answer = attacked(PIPE + f"said = {said.encode()!r}\n{blocks}os._exit(0)\n")
    assert blamed(answer)
    assert answer.ending == ending


def test_a_forged_graph_is_judged_as_the_graph_that_was_handed_in(attacked):
    forged = (REPOSITORY / "submission" / "results" / "base_model" / "architecture.json").read_bytes()
    answer = attacked(
        PIPE
        + f"graph = {forged!r}\n"
        + 'said = b\'{"class_name": "Perfect", "stage": "done"}\'\n'
        + "for block in (said, graph, b'weights'):\n"
        + "    os.write(pipes[0], len(block).to_bytes(8, 'big') + block)\n"
        + "os._exit(0)\n"
    )
    assert isinstance(answer, Loaded)
    assert answer.architecture.by_name["fc.weight"].shape == (10, 128)
    # With weights of other shapes nothing can be trained: see the tests of `check_weights`.
    assert answer.weights.read_bytes() == b"weights"


def test_a_forged_graph_without_weights_is_refused(attacked):
    forged = (REPOSITORY / "submission" / "results" / "base_model" / "architecture.json").read_bytes()
    answer = attacked(
        PIPE
        + f"graph = {forged!r}\n"
        + 'said = b\'{"class_name": "Perfect", "stage": "done"}\'\n'
        + "for block in (said, graph, b''):\n    os.write(pipes[0], len(block).to_bytes(8, 'big') + block)\n"
        + "os._exit(0)\n"
    )
    assert "the child wrote no weights" in blamed(answer)


def test_a_forged_answer_after_the_real_one_is_not_read(attacked):
    answer = attacked(
        HONEST
        + dedent("""
            import os
            real, said = os.write, []

            def write(descriptor, data):
                said.append(descriptor)
                written = real(descriptor, data)
                if len(said) == 6:
                    real(descriptor, (7).to_bytes(8, "big") + b"forged!")
                return written

            os.write = write
        """)
    )
    assert isinstance(answer, Loaded)
    assert answer.class_name == "Tiny"
    assert answer.weights.exists()


def test_replacing_what_is_built_in_gives_no_grade(attacked):
    source = HONEST + (
        "import builtins\nfor name in ('len', 'sorted', 'isinstance', 'type', 'getattr'):\n"
        "    setattr(builtins, name, lambda *a, **k: 'passed')\n"
    )
    answer = attacked(source)
    assert isinstance(answer, LoadFailure)
    assert answer.cause == "student"


def test_an_answer_that_is_written_while_the_file_is_imported_is_not_waited_for(attacked):
    source = PIPE + "os.close(pipes[0])\nimport time\ntime.sleep(60)\n"
    assert "did not end; expected at most 2 s" in blamed(attacked(source, intake_s=2))


def test_replacing_the_tracer_gives_no_answer(attacked):
    source = HONEST + "import harness.loader.child as tracer\ntracer._bytes = lambda answer: b'passed'\n"
    assert "not of the agreed form" in blamed(attacked(source))


def test_replacing_export_json_and_safetensors_gives_no_grade(attacked):
    source = HONEST + (
        "import json, torch.export, harness.loader.export as export, harness.loader.child as tracer\n"
        "torch.export.export = export.export = lambda *a, **k: 'passed'\n"
        "json.dumps = lambda *a, **k: 'passed'\ntracer.save = lambda tensors: b'passed'\n"
    )
    assert "its graph could not be captured" in blamed(attacked(source))
