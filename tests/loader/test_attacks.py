"""Every attack fails: each test is named for what it tries, in each backend of the box.

No attack runs anywhere else: `trace` has a child forked that checks its own lock before it imports a line of
a submission. What would do harm if it got through is tried in its mildest form.
"""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent

import pytest
from attacks import HONEST, blamed

from harness.assignment.spec import DEFAULT_ASSIGNMENT
from harness.base.errors import UsageError
from harness.loader.client import Loaded, LoadFailure
from harness.sandbox.client import Sandbox
from harness.sources.files import MAX_FILES, copy_sources
from harness.sources.requested import Requested

# An attempt that raises was refused; it then hands in an honest model all the same.
ATTEMPTS = {
    "reads_the_shadow_file": "open('/etc/shadow').read()",
    "reads_the_users": "open('/etc/passwd').read()",
    "reads_the_data_set": "open({secret!r}).read()",
    "reads_another_submission": "open({other!r}).read()",
    "reads_the_assignment": "open({assignment!r}).read()",
    "lists_the_file_system": "os.listdir('/')",
    "lists_the_temporary_folder": "os.listdir('/tmp')",
    "reads_the_environment_of_the_parent": "open(f'/proc/{{os.getppid()}}/environ').read()",
    "reads_the_memory_of_the_parent": "open(f'/proc/{{os.getppid()}}/mem', 'rb')",
    "reads_its_own_memory_map": "open('/proc/self/maps').read()",
    "writes_a_temporary_file": "open('/tmp/harness-attack', 'w')",
    "writes_into_its_own_folder": "open(os.path.join(os.path.dirname(__file__), 'new.py'), 'w')",
    "writes_over_itself": "open(__file__, 'a')",
    "writes_shared_memory": "open('/dev/shm/harness-attack', 'w')",
    "writes_a_kernel_setting": "open('/proc/sys/kernel/core_pattern', 'w')",
    "makes_a_folder": "os.mkdir('/tmp/harness-attack')",
    "makes_a_link": "os.symlink('/etc/shadow', '/tmp/harness-attack')",
    "makes_a_pipe": "os.mkfifo('/tmp/harness-attack')",
    "removes_itself": "os.unlink(__file__)",
    "changes_rights": "os.chmod(__file__, 0o777)",
    "makes_an_internet_socket": "socket.socket(socket.AF_INET)",
    "makes_an_ipv6_socket": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "makes_a_unix_socket": "socket.socket(socket.AF_UNIX)",
    "makes_a_kernel_socket": "socket.socket(socket.AF_NETLINK)",
    "makes_a_socket_to_the_host": "socket.socket(40)",
    "makes_a_pair_of_sockets": "socket.socketpair()",
    "connects_to_this_machine": "urllib.request.urlopen('http://127.0.0.1:{port}/')",
    "forks": "os.fork() or os._exit(0)",
    "starts_a_thread": "threading.Thread(target=print).start()",
    "executes_a_program": "os.execv('/bin/true', ['true'])",
    "spawns_a_program": "os.posix_spawn('/bin/true', ['true'], {{}})",
    "runs_a_shell": "subprocess.run(['/bin/true'])",
    "signals_the_parent": "os.kill(os.getppid(), 0)",
    "signals_everybody": "os.kill(-1, 0)",
    "signals_its_group": "os.killpg(0, 0)",
    "becomes_root": "os.setuid(0) if os.getuid() else None; assert os.getuid() == 0",
    "raises_its_limits": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "limits_itself": "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))",
    "kills_itself_as_a_lack_of_memory_would": "os.kill(os.getpid(), 9)",
    "opens_a_file_for_neither_reading_nor_writing": "os.open(__file__, 3)",
    "empties_its_own_file": "os.open(__file__, os.O_RDONLY | os.O_TRUNC)",
    "limits_the_parent": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    "leaves_its_namespaces": "libc(CDLL.unshare, 0x10000000)",
    "mounts": "libc(CDLL.mount, b'none', b'/tmp', b'tmpfs', 0, None)",
    "traces": "libc(CDLL.ptrace, 0, 0, None, None)",
    "makes_a_file_in_memory": "libc(CDLL.memfd_create, b'x', 0)",
    "makes_shared_memory": "libc(CDLL.shmget, 0, 4096, 0o1600)",
    "reads_the_parents_memory_directly": "libc(CDLL.process_vm_readv, os.getppid(), None, 0, None, 0, 0)",
    "unlocks_its_dumps": "libc(CDLL.prctl, 4, 1, 0, 0, 0)",
}

PREAMBLE = """
import ctypes, os, resource, socket, subprocess, threading, urllib.request

CDLL = ctypes.CDLL(None, use_errno=True)


def libc(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, trace_all, any_sandbox: Sandbox) -> Iterator[str]:
    """What the attempts printed, each in a child of its own; every one handed in its honest model."""
    folder = tmp_path_factory.mktemp("attacks")
    secret, other, root = folder / "data_batch_1", folder / "other" / "model.py", folder / "mine"
    root.mkdir()
    other.parent.mkdir()
    for file in (secret, other):
        file.write_text("secret")
        file.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as server:
        places = {
            "secret": str(secret), "other": str(other), "assignment": str(DEFAULT_ASSIGNMENT),
            "port": server.getsockname()[1],
        }  # fmt: skip
        for name, attempt in ATTEMPTS.items():
            tried = indent(attempt.format(**places), "    ")
            (root / f"{name}.py").write_text(
                f"{PREAMBLE}\ntry:\n{tried}\n"
                f"except BaseException as error:\n    print('{name}: refused', type(error).__name__)\n"
                f"else:\n    print('{name}: GOT THROUGH')\n{HONEST}"
            )
        wanted = {name: Requested(file=root / f"{name}.py", class_name="Tiny") for name in ATTEMPTS}
        answers = trace_all(any_sandbox, root, wanted, output_mib=8)
    assert all(isinstance(answer, Loaded) for answer in answers.values())
    yield "".join(answer.output for answer in answers.values())
    assert not [p for p in (Path("/tmp/harness-attack"), Path("/dev/shm/harness-attack")) if p.exists()]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_a_submission_cannot_do(said: str, attempt: str) -> None:
    assert f"{attempt}: refused" in said
    assert f"{attempt}: GOT THROUGH" not in said


def test_swallowing_every_exception_does_not_outlast_the_clock(attacked):
    source = (
        "import time\nwhile 1:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass\n"
    )
    assert "did not end; expected at most 2 s" in blamed(attacked(source, intake_s=2))


def test_ignoring_every_signal_does_not_outlast_the_clock(attacked):
    source = (
        "import signal\nfor n in range(1, 32):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\nwhile True:\n    pass\n"
    )
    assert "did not end; expected at most 2 s" in blamed(attacked(source, intake_s=2))


def test_a_flood_of_prints_ends_at_the_limit(attacked):
    source = "for _ in range(200):\n    print('x' * 2**20, flush=True)\n"
    assert "OSError" in blamed(attacked(source))


def test_what_was_printed_cannot_be_taken_back(attacked):
    source = (
        "import os\nprint('the first word', flush=True)\nos.lseek(1, 0, 0)\nprint('another', flush=True)\n"
        "for attempt in (lambda: os.ftruncate(1, 0), lambda: os.open('/proc/self/fd/1', os.O_TRUNC)):\n"
        "    try:\n        attempt()\n        print('GOT THROUGH')\n"
        "    except OSError:\n        pass\n"
    )
    answer = attacked(source + HONEST)
    assert isinstance(answer, Loaded)
    assert answer.output.startswith("the first word\nanother\n")
    assert "GOT THROUGH" not in answer.output


def test_a_flood_of_memory_ends_at_the_limit(attacked):
    answer = attacked("kept = []\nwhile True:\n    kept.append(bytearray(2**26))\n")
    assert isinstance(answer, LoadFailure)
    assert (answer.ending, answer.cause) == ("over_memory", "student")
    assert "model.py:3: the file could not be imported: MemoryError" in answer.message


def test_weights_that_are_downloaded_while_the_model_is_built_never_arrive(attacked):
    source = HONEST.replace(
        "super().__init__()",
        "super().__init__(); import urllib.request; urllib.request.urlopen('http://127.0.0.1/w.pt')",
    )
    assert "model.py:7: the model could not be built: URLError" in blamed(attacked(source))


def test_a_crash_of_the_interpreter_is_the_submissions(attacked):
    assert "crashed with SIGSEGV" in blamed(attacked("import ctypes\nctypes.string_at(0)\n"))


def test_endless_recursion_is_an_error_like_any_other(attacked):
    assert "RecursionError" in blamed(attacked("def f():\n    f()\nf()\n"))


def test_what_is_registered_for_the_end_does_not_run(attacked):
    source = HONEST + (
        "import atexit\natexit.register(print, 'at the end')\n"
        "class Last:\n    def __del__(self):\n        print('at the end')\nkept = Last()\n"
    )
    answer = attacked(source)
    assert isinstance(answer, Loaded)
    assert "at the end" not in answer.output


def test_hostile_objects_in_the_model_are_never_asked(attacked):
    source = HONEST.replace("super().__init__()", "super().__init__(); self.note = Hostile()") + dedent("""
        class Hostile:
            def __reduce__(self):
                return (print, ("reduced",))
            def __eq__(self, other):
                raise SystemExit
            def __repr__(self):
                raise SystemExit
            __hash__ = None
    """)
    assert isinstance(attacked(source), Loaded)


def test_files_named_like_libraries_change_nothing_outside_the_child(attacked):
    forged = "raise SystemExit('taken over')\n"
    names = ("torch__init__", "torchinfo", "json", "sitecustomize", "usercustomize", "conftest", "harness")
    answer = attacked(HONEST, **dict.fromkeys(names, forged))
    assert isinstance(answer, Loaded)
    assert "taken over" not in answer.output


def test_a_name_with_escape_codes_and_newlines_comes_out_as_plain_text(attacked):
    source = HONEST + "Tiny.__name__ = 'Ti\\x1b[31m\\n| ny'\nTiny.__module__ = __name__\n"
    answer = attacked(source)
    assert isinstance(answer, Loaded)
    assert "\x1b" not in answer.class_name


def test_links_out_of_the_submission_are_not_followed(tmp_path):
    root = tmp_path / "mine"
    root.mkdir()
    (root / "model.py").write_text(HONEST)
    (root / "secret.py").symlink_to("/etc/passwd")
    (root / "everything").symlink_to("/")
    copy_sources(root, tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").rglob("*")] == ["model.py"]
    assert stat.S_IMODE((tmp_path / "copy" / "model.py").stat().st_mode) == 0o644


def test_a_home_folder_is_not_taken_for_a_submission(tmp_path):
    root = tmp_path / "home"
    root.mkdir()
    for number in range(MAX_FILES + 1):
        (root / f"{number}.py").touch()
    with pytest.raises(
        UsageError, match="too much to be one submission; expected at most 2,000 source files"
    ):
        copy_sources(root, tmp_path / "copy")
