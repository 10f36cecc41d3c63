"""The process that forks a locked child for every submission: which one is started, and what ends it."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from processes import descendants

from harness.base.errors import SandboxError
from harness.loader.client import Loaded, LoadFailure, open_loader
from harness.sandbox import backends
from harness.sandbox.backends import HIDDEN, Backend
from harness.sandbox.client import Sandbox, ended_with
from harness.sources.requested import Requested

TINY = dedent("""
    from torch import nn

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 10)

        def forward(self, x):
            return self.fc(x.mean((2, 3)))
""")


@contextmanager
def killed_as_it_runs(group: int) -> Iterator[None]:
    """Kill a group of processes when one of them runs a submission, as a machine without memory would."""
    idle = descendants(group)

    def kill() -> None:
        while descendants(group) <= idle:
            time.sleep(0.01)
        os.killpg(group, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed (apt-get install bubblewrap)"
)


@pytest.fixture
def take(tmp_path: Path, trace_all):
    """Load one source in a sandbox that is given."""

    def run(
        sandbox: Sandbox, source: str = TINY, *, intake_s: int = 120, cpu_s: int = 120
    ) -> Loaded | LoadFailure:
        file = tmp_path / "mine" / "model.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
        wanted = {"basic": Requested(file=file, class_name=None)}
        bounds = {"intake_s": intake_s, "cpu_s": cpu_s, "output_mib": 8}
        return trace_all(sandbox, file.parent, wanted, **bounds)["basic"]

    return run


@needs_bwrap
def test_auto_takes_the_stronger_backend():
    with open_loader() as sandbox:
        assert sandbox.backend == "bwrap"


def test_auto_takes_the_lock_where_there_is_no_bubblewrap(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with open_loader() as sandbox:
        assert sandbox.backend == "lock"


def test_a_backend_that_is_wanted_and_not_there_is_not_replaced(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxError) as refused, open_loader("bwrap"):
        pass
    assert "no process can be locked here; expected Landlock and seccomp" in str(refused.value)
    assert "got: bwrap: not installed." in str(refused.value)
    assert "apt-get install bubblewrap" in str(refused.value)
    assert "Nothing of the submission has run." in str(refused.value)


def test_a_sandbox_with_a_hole_is_not_used(monkeypatch):
    """The lock does not hide that a file exists: asked to, the trial finds that it does not."""
    monkeypatch.setitem(
        backends.COMMANDS,
        "bwrap",
        lambda program, folder, control: backends.fork_server(program, str(control), str(HIDDEN)),
    )
    with (
        pytest.raises(SandboxError, match=f"bwrap: a locked process could see {HIDDEN}"),
        open_loader("bwrap"),
    ):
        pass
    with open_loader("auto") as sandbox:
        assert sandbox.backend == "lock"


def test_a_program_that_dies_at_once_is_reported_with_its_last_words(monkeypatch):
    monkeypatch.setitem(
        backends.COMMANDS, "lock", lambda *_: ["/bin/sh", "-c", "echo no such kernel; exit 1"]
    )
    with pytest.raises(SandboxError, match="lock: no such kernel"), open_loader("lock"):
        pass


@needs_bwrap
def test_both_backends_hand_back_the_same_bytes(take):
    answers = []
    for backend in ("lock", "bwrap"):
        with open_loader(backend) as sandbox:
            answers += [take(sandbox), take(sandbox)]
    assert len({answer.sha256 for answer in answers}) == 1
    assert len({answer.weights.read_bytes() for answer in answers}) == 1


@pytest.mark.parametrize("backend", ["lock", pytest.param("bwrap", marks=needs_bwrap)])
@pytest.mark.slow
def test_a_sandbox_that_was_killed_starts_again(take, backend: Backend):
    with open_loader(backend) as sandbox:
        assert isinstance(take(sandbox), Loaded)
        dead = sandbox.pid
        with killed_as_it_runs(dead):
            lost = take(sandbox, "import time; time.sleep(60)")
        assert isinstance(lost, LoadFailure)
        assert (lost.ending, lost.cause) == ("harness_error", "infrastructure")
        assert "ended unexpectedly; grade the submission again" in lost.message
        assert isinstance(take(sandbox), Loaded)
        assert sandbox.pid != dead


def test_nothing_stays_when_the_sandbox_is_closed():
    with open_loader("lock") as sandbox:
        folder, number = sandbox.folder, sandbox.pid
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_submission_finds_nothing_of_the_one_before(take, sandbox):
    assert isinstance(take(sandbox, TINY + "MARK = 'the submission before'\n"), Loaded)
    searching = TINY + dedent("""
        import gc, os
        marks = [value for value in gc.get_objects() if isinstance(value, dict) and 'MARK' in value
                 and value['MARK'] == 'the submission ' + 'before']
        print('found', len(marks), sorted(os.listdir(os.path.dirname(__file__))))
    """)
    answer = take(sandbox, searching)
    assert isinstance(answer, Loaded)
    assert "found 0 ['model.py']" in answer.output


@pytest.mark.parametrize(
    ("code", "ending", "cause", "said"),
    [
        (-signal.SIGXCPU, "timed_out", "student", "more processor time than is allowed"),
        (-signal.SIGKILL, "killed", "resource", "most likely because this machine ran out of memory"),
        (-signal.SIGSEGV, "crashed", "student", "crashed with SIGSEGV"),
        (7, "crashed", "student", "ended with exit status 7 before it answered"),
    ],
)
def test_how_a_child_ended_is_said_in_a_word_and_a_sentence(code, ending, cause, said):
    ended = ended_with(code)
    assert ended is not None
    assert (ended.ending, ended.cause) == (ending, cause)
    assert said in ended.message


def test_a_child_that_ended_well_needs_no_word():
    assert ended_with(0) is None


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        ("raise ValueError", "crashed"),
        ("import os; os._exit(3)", "crashed"),
        ("import time; time.sleep(60)", "timed_out"),
        ("import torch; torch.zeros(2**34)", "over_memory"),
        ("while True: print('x' * 2**20)", "over_output"),
        ("import os\nfor n in range(3, 99):\n try: os.write(n, bytes(8))\n except OSError: pass\nos._exit(0)",
         "bad_output"),
    ],
)  # fmt: skip
def test_every_ending_has_its_word(take, sandbox, source, ending):
    answer = take(sandbox, source, intake_s=3)
    assert isinstance(answer, LoadFailure)
    assert answer.ending == ending


@pytest.mark.parametrize("before", ["", "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"])
def test_processor_time_ends_a_child_too(take, sandbox, before):
    answer = take(sandbox, before + "while True: pass", cpu_s=1)
    assert isinstance(answer, LoadFailure)
    assert answer.ending == "timed_out"
    assert "more processor time than is allowed" in answer.message


def test_bubblewrap_hides_that_other_files_exist(take):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (apt-get install bubblewrap)")
    looking = (
        TINY + f"import os\nprint('seen', os.path.exists({str(HIDDEN)!r}), os.path.exists('/etc/hostname'))"
    )
    with open_loader("bwrap") as sandbox:
        hidden = take(sandbox, looking)
    with open_loader("lock") as sandbox:
        seen = take(sandbox, looking)
    assert "seen False False" in hidden.output
    # Documented: Landlock does not hide metadata.
    assert "seen True True" in seen.output


def test_the_sandbox_s_process_is_not_in_the_harnesss_process_group(sandbox):
    assert os.getpgid(sandbox.pid) != os.getpgid(0)
