"""Which modules stand in for packages, and which come as they are installed."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.loader.stubs import Stubs, is_package


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, the first that Python looks in."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubs]:
    """Modules stand in, until the test is over."""
    known = dict(sys.modules)
    stubs = Stubs()
    monkeypatch.setattr(sys, "meta_path", [stubs, *sys.meta_path])
    for name in ("bokeh", "altair", "matplotlib"):
        for module in [one for one in sys.modules if one.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
    yield stubs
    for name in set(sys.modules) - set(known):
        del sys.modules[name]


def stands_in(name: str) -> bool:
    return type(importlib.import_module(name)).__name__ == "_Module"


def test_parts_of_models_stand_in_only_where_they_are_not_installed(packages: Path, stubs: Stubs) -> None:
    assert stands_in("iopath")
    del sys.modules["iopath"]
    (packages / "iopath.py").write_text("")
    assert not stands_in("iopath")


def test_tools_stand_in_though_they_are_installed(packages: Path, stubs: Stubs) -> None:
    (packages / "bokeh.py").write_text("")
    assert stands_in("bokeh")
    assert stubs.used == ["bokeh"]


def test_a_package_gets_what_it_imports_itself(packages: Path, stubs: Stubs) -> None:
    (packages / "bokeh.py").write_text("")
    (packages / "fvcore.py").write_text("import bokeh, altair, matplotlib\n")
    assert stands_in("bokeh")
    assert not stands_in("fvcore")
    assert not stands_in("bokeh")
    assert stands_in("altair")
    assert stands_in("matplotlib")


def test_the_submissions_own_module_comes_first(tmp_path: Path, stubs: Stubs) -> None:
    (tmp_path / "timm.py").write_text("")
    stubs.folders = (tmp_path,)
    assert stubs.find_spec("timm", None) is None


@pytest.mark.parametrize("name", ["einops", "einops.layers.torch", "lightning.pytorch", "tqdm", "omegaconf"])
def test_a_known_package_is_told_by_its_name(name: str) -> None:
    assert is_package(name)


@pytest.mark.parametrize("name", ["blocks", "utils", "models.net", "src", "model", "datasets", "config"])
def test_the_name_of_a_students_file_is_no_package(name: str) -> None:
    assert not is_package(name)
