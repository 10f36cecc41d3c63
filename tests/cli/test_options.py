"""What all commands share: -h, --version, --quiet, completion, and a page that names them."""

import os
import subprocess
import sys

import pytest
import typer
from checkout import REPOSITORY
from typer.testing import CliRunner

from harness.base.errors import UsageError
from harness.base.installation import VERSION
from harness.cli import assignment, cohort
from harness.cli.app import COMMANDS, app
from harness.cli.defaults import VARIABLES
from harness.cli.options import add_commands, constructor_argument
from harness.cli.terminal import say, verdicts

ALL = [
    *((name,) for name, _, _ in COMMANDS),
    *(("assignment", name) for name, _, _ in assignment.COMMANDS),
    *(("cohort", name) for name, _, _ in cohort.COMMANDS),
]


def options_of(command: tuple[str, ...]) -> list[str]:
    """Names of a command's options, as they are typed."""
    found = typer.main.get_command(app)
    for name in command:
        found = found.commands[name]
    return [opt for param in found.params for opt in param.opts if opt.startswith("--")]


def test_the_version_is_printed_with_the_place_it_runs_from():
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.stdout == f"grading-harness {VERSION} from {REPOSITORY / 'harness'}\n"


@pytest.mark.parametrize("words", [(), ("assignment",), ("cohort",), *ALL], ids=" ".join)
def test_help_is_there_for_the_short_and_the_long_option(words):
    short, long = (CliRunner().invoke(app, [*words, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.stdout) == (0, long.stdout)
    assert "Usage:" in short.stdout


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_can_be_quiet(words):
    assert "--quiet" in options_of(words)


@pytest.mark.parametrize(
    "arguments", [["--quiet", "work"], ["work", "--quiet"], ["work", "-q"]], ids=" ".join
)
def test_a_quiet_command_says_its_verdict_alone(arguments):
    def work() -> None:
        """Say something on the way, and a verdict."""
        say("on the way")
        say("passed", verdicts)

    small = typer.Typer()
    small.callback()(app.registered_callback.callback)
    add_commands(small, [("work", work, "harness work")])
    assert CliRunner().invoke(small, arguments).stderr == "passed\n"
    assert CliRunner().invoke(small, ["work"]).stderr == "on the way\npassed\n"


def test_an_error_is_said_however_quiet():
    command = [sys.executable, "-m", "harness", "explain", "dilatoin", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: explain dilatoin: no such rule. Did you mean 'dilation'?")


def test_a_shell_completes_commands_and_options():
    asked = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": "harness co", "COMP_CWORD": "1"}
    script = "import sys; sys.argv = ['harness']; from harness.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["cohort"]


@pytest.mark.parametrize(
    ("words", "example"),
    [
        *(((name,), example) for name, _, example in COMMANDS),
        *((("assignment", name), example) for name, _, example in assignment.COMMANDS),
        *((("cohort", name), example) for name, _, example in cohort.COMMANDS),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_page_of_the_commands_names_each_with_its_example(words, example):
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `harness {' '.join(words)}` |")]
    assert row.endswith(f"| `{example}` |")


@pytest.mark.parametrize("key", VARIABLES)
def test_the_page_of_the_commands_names_the_keys_of_the_defaults(key):
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    assert f"\n{key} = " in page
    assert f"`{VARIABLES[key]}`" in page


@pytest.mark.parametrize(
    ("text", "value"),
    [("n=10", 10), ("p=0.1", 0.1), ("norm=BN", "BN"), ("bias=true", True), ("bias=False", False), ("s=", "")],
)
def test_constructor_arguments_have_the_type_they_look_like(text, value):
    name, parsed = constructor_argument(text)
    assert name == text.partition("=")[0]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ["n", "=1", "a b=1"])
def test_a_constructor_argument_needs_a_name_and_a_value(text):
    with pytest.raises(UsageError, match="expected NAME=VALUE such as num_classes=10"):
        constructor_argument(text)
