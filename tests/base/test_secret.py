"""What is sealed was written by this user on this machine."""

import stat
from pathlib import Path

import pytest

from harness.base.secret import seal_key


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_purpose_has_one_key_and_another_purpose_another(state: Path) -> None:
    assert seal_key("one") == seal_key("one") != seal_key("other")
    assert len(bytes.fromhex(seal_key("one"))) == 32


def test_the_secret_is_for_its_owner_alone(state: Path) -> None:
    seal_key("one")
    assert stat.S_IMODE((state / "harness" / "secret").stat().st_mode) == 0o600


def test_another_machine_or_user_has_other_keys(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = seal_key("one")
    monkeypatch.setenv("XDG_STATE_HOME", str(state / "elsewhere"))
    assert seal_key("one") != here


def test_where_no_secret_can_be_kept_there_is_no_key(state: Path) -> None:
    state.write_text("a file where the folder should be")
    assert seal_key("one") == ""
