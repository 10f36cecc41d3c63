"""The page that is watched, asked over HTTP: by whom, for what, and with which policy it answers."""

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from harness.base.errors import UsageError
from harness.base.installation import how_to_install
from harness.cli.app import app


def connected(address: str, path: str, method: str, host: str) -> http.client.HTTPConnection:
    """Ask for a path below an address, or one of the server's where it begins with a slash."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    connection.putrequest(method, path if path.startswith("/") else where.path + path, skip_host=True)
    connection.putheader("Host", host or where.netloc)
    connection.endheaders()
    return connection


class Answer:
    """What the server says to one request."""

    def __init__(self, address: str, path: str = "", method: str = "GET", host: str = "") -> None:
        with closing(connected(address, path, method, host)) as connection:
            answer = connection.getresponse()
            self.status, self.headers, self.body = answer.status, answer.headers, answer.read().decode()


@contextmanager
def events(address: str, path: str = "events") -> Iterator[Iterator[dict[str, str]]]:
    """Listen to server-sent events."""
    with closing(connected(address, path, "GET", "")) as connection:
        answer = connection.getresponse()
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = iter(answer.readline, b"")
        yield (json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: "))
        answer.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory, watching, new_class, record):
    cohort = new_class(tmp_path_factory.mktemp("served"))
    cohort.ingest("ada", "<b>bob</b>")
    cohort.grade_one("ada", record(0.9))
    yield watching(cohort.path), cohort
    cohort.store.close()


def test_the_page_is_whole_before_any_script_runs(served):
    address, _ = served
    page = Answer(address)
    assert page.status == 200
    body = page.body
    assert "CIFAR-10: a compact CNN without max-pooling" in body
    assert "&lt;b&gt;bob&lt;/b&gt;" in body
    assert re.findall(r"<script[^>]*>", body) == ['<script src="watch.js" defer>']
    assert "<style" not in body
    assert not re.search(r"\s(on\w+|style)=", body)


def test_only_its_own_files_are_allowed_and_nothing_is_kept_or_told(served):
    headers = Answer(served[0]).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    for file in ("watch.js", "watch.css", "board/watch.js", "board/watch.css"):
        assert Answer(served[0], file).status == 200


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1", "127.0.0.1:1", "localhost.example.org:{port}", ""]
)
def test_whoever_names_another_host_is_refused(served, host):
    port = urlsplit(served[0]).port
    answer = Answer(served[0], host=host.format(port=port) or " ")
    assert answer.status in (400, 421)
    assert "ada" not in answer.body


def test_this_machine_may_be_called_localhost(served):
    assert Answer(served[0], host=f"localhost:{urlsplit(served[0]).port}").status == 200


@pytest.mark.parametrize("path", ["/", "/events", "/watch.js", "/x/", "//", "/TOKEN/../TOKEN/"])
def test_without_the_token_there_is_nothing(served, path):
    answer = Answer(served[0], path)
    assert answer.status == 404
    assert "ada" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(served, method):
    assert Answer(served[0], method=method).status == 405


def test_a_card_is_shown_and_nothing_in_it_runs(served):
    address, cohort = served
    card = Answer(address, f"card/{cohort.keys['ada']}")
    assert card.status == 200
    assert card.headers["content-security-policy"].startswith("sandbox; default-src 'none'; img-src data:;")
    assert "<h1>A scorecard</h1>" in card.body
    assert Answer(address, f"card/{cohort.keys['<b>bob</b>']}").status == 404
    assert Answer(address, "card/..%2f..%2fcohort.db").status == 404


def test_what_changes_is_sent_and_nothing_else(served):
    address, cohort = served
    with events(address) as stream:
        assert {"counts", "now", "students", "s0", "s1"} <= set(next(stream))
        cohort.begin()
        assert set(next(stream)) == {"counts", "now", "s0"}


def test_the_board_sends_the_board_alone(served):
    with events(served[0], "board/events") as stream:
        assert list(next(stream)) == ["board"]
    assert "ada" not in Answer(served[0], "board/").body


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_how_it_is_installed(tmp_path, missing):
    script = f"import sys; sys.modules[{missing!r}] = None; from harness.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "watch", str(tmp_path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"error: harness watch: {missing} is not installed; expected Starlette and uvicorn. Install them: "
        f"{how_to_install('starlette', 'uvicorn')}\n",
    )


def watch(*words: object) -> str:
    """Say why `harness watch` refuses."""
    refused = CliRunner().invoke(app, ["watch", *map(str, words)]).exception
    assert isinstance(refused, UsageError)
    return str(refused)


def test_what_is_not_there_is_said(tmp_path):
    assert watch(tmp_path / "none").endswith(
        "none: not there; expected a store of harness cohort grade, or a results folder. Start the grading "
        "first, and name what it writes to."
    )


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert watch(tmp_path, "--port", port) == (
            f"--port {port}: cannot be listened at on 127.0.0.1 (Address already in use). "
            "Name another, or none."
        )
