"""Hostile works: what a student might try against the grader, the others, or whoever reads the table.

Nothing of it may ever run outside the sandbox. What would do harm if it got through is in its mildest form.
"""

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from textwrap import indent
from typing import Literal

from class_networks import basic, source
from class_packing import INSTANT, Work, zipped

PIPES = """
import os
pipes = []
for descriptor in range(3, 1024):
    try:
        os.fstat(descriptor)
        pipes.append(descriptor)
    except OSError:
        pass
"""


@dataclass(frozen=True)
class Attack:
    """Code before and after an honest network, or where it is built, and what has to come of it."""

    before: str = ""
    inside: str = ""
    after: str = ""
    verdict: Literal["passed", "failed", "not_judged"] = "not_judged"
    failed: tuple[str, ...] = ()
    cause: Literal["student"] | None = "student"
    says: str = ""


ENDLESS = "Remove training, downloads and endless loops"
CLOCK = "did not end; expected at most"
NOT_AGREED = "not of the agreed form"
NOT_BUILT = "the model could not be built"

ATTACKS: Mapping[str, Attack] = {
    "spins": Attack("while True:\n    pass\n", says=ENDLESS),
    "spins_as_it_is_built": Attack(inside="while True:\n    pass\n", says=ENDLESS),
    "sleeps": Attack("import time\ntime.sleep(10_000)\n", says=CLOCK),
    "swallows_every_exception": Attack(
        "import time\nwhile True:\n"
        "    try:\n        time.sleep(60)\n    except BaseException:\n        pass\n",
        says=CLOCK,
    ),
    "leaves_with_exit_0": Attack("import os\nos._exit(0)\n", says="without an answer"),
    "leaves_with_exit_1": Attack("import os\nos._exit(1)\n", says="exit status 1"),
    "exits_in_forward": Attack(
        after="import sys\nNet.forward = lambda self, x: sys.exit(0)\n", says="SystemExit"
    ),
    "floods_the_output": Attack(
        inside="for _ in range(500):\n    print('x' * 2**20, flush=True)\n", says="OSError"
    ),
    "floods_the_pipe": Attack(
        PIPES + "while True:\n    os.write(pipes[0], bytes(2**16))\n", says="said more than"
    ),
    "floods_the_memory": Attack(
        inside="kept = []\nwhile True:\n    kept.append(b'x' * 2**26)\n", says="MemoryError"
    ),
    "forks": Attack(inside="import os\nfor _ in range(4):\n    os.fork()\n", says=NOT_BUILT),
    "starts_threads": Attack(
        inside="import threading, time\nfor _ in range(64):\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n",
        says=NOT_BUILT,
    ),
    "runs_a_shell": Attack(inside="import subprocess\nsubprocess.run(['/bin/true'])\n", says=NOT_BUILT),
    "crashes_the_interpreter": Attack("import ctypes\nctypes.string_at(0)\n", says="SIGSEGV"),
    "reads_the_users": Attack(inside="open('/etc/passwd').read()\n", says=NOT_BUILT),
    "calls_home": Attack(
        inside="import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/')\n", says=NOT_BUILT
    ),
    "signals_its_parent": Attack(inside="import os\nos.kill(os.getppid(), 0)\n", says=NOT_BUILT),
    "forges_an_answer": Attack(
        PIPES + "os.write(pipes[0], (7).to_bytes(8, 'big') + b'forged!' + bytes(16))\nos._exit(0)\n",
        says=NOT_AGREED,
    ),
    "forges_a_graph": Attack(
        PIPES + 'said = b\'{"class_name": "Perfect", "stage": "done"}\'\n'
        "for block in (said, b'{\"schema\": 1}', b'weights'):\n"
        "    os.write(pipes[0], len(block).to_bytes(8, 'big') + block)\nos._exit(0)\n",
        says="architecture.json",
    ),
    "replaces_the_export": Attack(
        after="import torch.export\nimport harness.loader.export as export\n"
        "torch.export.export = export.export = lambda *a, **k: 'passed'\n",
        says="could not be captured",
    ),
    "replaces_the_tracer": Attack(
        after="import harness.loader.child as tracer\n"
        "tracer._bytes = lambda answer: b'passed'\n",
        says=NOT_AGREED,
    ),
    "replaces_what_is_built_in": Attack(
        after="import builtins\nfor name in ('len', 'sorted', 'isinstance', 'type', 'getattr'):\n"
        "    setattr(builtins, name, lambda *a, **k: 'passed')\n"
    ),
    "an_error_of_html": Attack(
        inside="raise ValueError('<img src=x onerror=alert(1)>\\x1b[31m=1+1')\n", says="ValueError"
    ),
    "calls_a_max_pool_average": Attack(
        after="class AvgPool2d(nn.MaxPool2d):\n    pass\n\n\nNet.pool = AvgPool2d(3, 1, 1)\n"
        "Net.first, Net.forward = Net.forward, lambda self, x: self.first(self.pool(x))\n",
        verdict="failed", failed=("no_max_pool",), cause=None,
    ),
    "says_it_has_few_parameters": Attack(
        inside="self.kept = nn.Parameter(torch.zeros(300_000))\n",
        after="Net.parameters = lambda self, recurse=True: iter(())\n",
        verdict="failed", failed=("max_parameters",), cause=None,
    ),
    "replaces_the_loss": Attack(
        after="F.cross_entropy = lambda *a, **k: torch.zeros(())\n", verdict="passed", cause=None
    ),
    "a_name_of_escapes": Attack(
        after="Net.__name__ = 'Net\\x1b[2J\\x1b]0;owned\\x07\\n| <script>alert(1)</script>'\n",
        verdict="passed", cause=None,
    ),
    "prints_a_verdict": Attack(
        "print('\\x1b[1;32mpassed\\x1b[0m 100 of 100 points')\n", verdict="passed", cause=None
    ),
    "objects_that_bite": Attack(
        after="class Bite:\n    def __reduce__(self):\n        return (print, ('bitten',))\n\n"
        "    def __repr__(self):\n        raise SystemExit\n\n\nNet.note = Bite()\n",
        verdict="passed", cause=None,
    ),
}  # fmt: skip
"""The last five are judged like any other: what they try changes nothing, or is what the rules see."""
BUILT = "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"


def hostile(rng: Random, idea: str) -> Work:
    """Make a work that is meant to do harm, or to pass unseen."""
    if idea in PACKED:
        says, write = PACKED[idea]
        return Work(idea, "hostile", cause="student", says=says, write=write)
    attack = ATTACKS[idea]
    text = source(basic(rng), rng, "Net")
    assert BUILT in text
    text = attack.before + text.replace(BUILT, BUILT + indent(attack.inside, " " * 8)) + "\n\n" + attack.after
    return Work(
        idea, "hostile", {"model.py": text}, attack.verdict, attack.failed, attack.cause, attack.says,
        fixed=rng.choice((".py", "folder", ".zip", ".tar.gz")),
    )  # fmt: skip


# Private functions


def _zip_slip(path: Path) -> Path:
    return _archive(path, ".zip", zipped({"model.py": b"", "../../../escaped.py": b"raise SystemExit\n"}))


def _tar_slip(path: Path) -> Path:
    return _tar(path, tarfile.TarInfo("/escaped.py"))


def _zip_bomb(path: Path) -> Path:
    return _archive(path, ".zip", zipped({"model.py": bytes(2**26)}))


def _bomb_that_lies(path: Path) -> Path:
    """Write a zip whose directory says that 64 MiB are 10 bytes."""
    content = zipped({"model.py": bytes(2**26)}).replace(struct.pack("<I", 2**26), struct.pack("<I", 10))
    return _archive(path, ".zip", content)


def _linked_zip(path: Path) -> Path:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        entry = zipfile.ZipInfo("model.py", INSTANT)
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return _archive(path, ".zip", held.getvalue())


def _linked_tar(path: Path) -> Path:
    entry = tarfile.TarInfo("model.py")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return _tar(path, entry)


def _device(path: Path) -> Path:
    entry = tarfile.TarInfo("model.py")
    entry.type = tarfile.CHRTYPE
    return _tar(path, entry)


def _twice(path: Path) -> Path:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(zipfile.ZipInfo("model.py", INSTANT), "")
        archive.writestr(zipfile.ZipInfo("model.pY", INSTANT), "")
    return _archive(path, ".zip", held.getvalue().replace(b"model.pY", b"model.py"))


def _entry_of_escapes(path: Path) -> Path:
    return _archive(path, ".zip", zipped({"mo\x1b[2Jdel.py": b""}))


def _many_files(path: Path) -> Path:
    return _archive(path, ".zip", zipped({f"{i}.py": b"" for i in range(2_500)}))


def _linked_folder(path: Path) -> Path:
    path.mkdir()
    (path / "model.py").symlink_to("/etc/passwd")
    (path / "everything").symlink_to("/")
    return path


PACKED: Mapping[str, tuple[str, Callable[[Path], Path]]] = {
    "zip_slip": ("outside the submission", _zip_slip),
    "tar_slip": ("outside the submission", _tar_slip),
    "zip_bomb": ("grows too much", _zip_bomb),
    "zip_bomb_that_lies": ("cannot be unpacked", _bomb_that_lies),
    "link_in_a_zip": ("a link or a device", _linked_zip),
    "link_in_a_tar": ("a link or a device", _linked_tar),
    "device_in_a_tar": ("a link or a device", _device),
    "one_name_twice": ("in it twice", _twice),
    "entry_name_of_escapes": ("control characters", _entry_of_escapes),
    "too_many_files": ("too much to be one submission", _many_files),
    "links_in_a_folder": ("got none", _linked_folder),
}
IDEAS = (*ATTACKS, *PACKED)


def _archive(path: Path, suffix: str, content: bytes) -> Path:
    to = path.with_name(path.name + suffix)
    to.write_bytes(content)
    return to


def _tar(path: Path, entry: tarfile.TarInfo) -> Path:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        tar.addfile(entry)
    return _archive(path, ".tar", held.getvalue())
