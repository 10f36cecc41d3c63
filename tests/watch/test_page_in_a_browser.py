"""The page that is watched, in Chromium: it follows what is graded, for 500, and shuts nobody out."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import REPOSITORY
from visits import WIDTHS, Visit

from harness.cohort.store.leases import release
from harness.cohort.store.queries import rows
from harness.cohort.store.store import open_for_reading

ME = "me@elsewhere:1/x/y"
"""The grader of `few`."""
SOON = 10_000
"""Milliseconds in which the page has followed."""
HOSTILE = "<script>document.title='it ran'</script>\"'><img src=x onerror=document.title='it-ran'>\u202e"


@pytest.fixture
def visit(browser):
    """Open pages; in the end none may have said anything in the console."""
    visits: list[Visit] = []

    def open_page(address: str, width: int = 1400, **options):
        visits.append(Visit(browser, address, width, **options))
        return visits[-1].page

    yield open_page
    for one in visits:
        one.context.close()
    assert [one.said for one in visits if one.said] == []


@pytest.fixture(scope="module")
def many(tmp_path_factory, new_class, record, watching):
    """A class of 500 at the end of the rules, one of them with the worst of names."""
    cohort = new_class(tmp_path_factory.mktemp("many"))
    cohort.fill(
        {
            (f"student {i}" if i else HOSTILE): record(0.8 + i / 4_000, ["a"] if i % 7 == 0 else [])
            if i % 5
            else record(problem=f"model.py:{i}: {HOSTILE}")
            for i in range(499)
        }
    )
    cohort.ingest("Zoë Lovelace")
    cohort.grade_one("Zoë Lovelace", record(0.9))
    yield watching(cohort.path), cohort
    cohort.store.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_500_students_are_shown_at_any_width_and_nobody_is_shut_out(many, visit, scheme):
    page = visit(many[0], color_scheme=scheme)
    assert page.locator("#students tr").count() == 500
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.title() == "Watching: CIFAR-10: a compact CNN without max-pooling"


@pytest.fixture(scope="module")
def few(tmp_path_factory, new_class, record, watching):
    """A class of which one passed and one is being graded."""
    cohort = new_class(tmp_path_factory.mktemp("few"))
    cohort.ingest("ada", "bob", "cyd", HOSTILE)
    cohort.grade_one("ada", record(0.9))
    cohort.grade_one("bob", record(problem="NameError"))
    cohort.begin()
    yield watching(cohort.path), cohort
    cohort.store.close()


def test_axe_finds_nothing_serious_in_light_and_dark(few, browser):
    for scheme in ("light", "dark"):
        for path in ("", "board/"):
            with Visit(browser, few[0] + path, color_scheme=scheme, bypass_csp=True) as visit:
                assert (visit.grave(), visit.said) == ([], [])


def test_by_keyboard_one_student_of_500_is_found_and_the_card_opened(many, visit):
    page = visit(many[0])
    page.get_by_label("Search").focus()
    page.keyboard.type("LOVE zoë")
    assert page.locator("#students tr:visible th").all_inner_texts() == ["Zoë Lovelace"]
    assert page.locator("#shown").inner_text() == "1 of 500"
    page.locator("#students tr:visible a").first.focus()
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    card = opened.value
    card.wait_for_load_state()
    assert card.locator("h1").inner_text() == "A scorecard"
    assert card.title() != "it ran"
    card.close()


def test_what_is_graded_is_shown_without_a_reload_and_the_focus_stays(few, visit, record):
    address, cohort = few
    page = visit(address)
    page.evaluate("window.same = true")
    page.locator("#causes summary").focus()
    page.keyboard.press("Enter")
    release(cohort.store, ME, died=False)
    cohort.grade_one("cyd", record(problem="ImportError"))
    page.locator("#students tr", has_text="ImportError").wait_for(timeout=SOON)
    page.locator("#causes li", has_text="cyd: ImportError").wait_for(timeout=SOON)  # still open
    assert page.evaluate("document.activeElement.id") == "cause-1-head"
    cohort.ingest("late")
    page.locator("#students tr", has_text="late").wait_for(timeout=SOON)
    assert page.locator("#students tr").count() == 5
    assert page.evaluate("window.same")


def test_the_board_is_for_all_to_see_and_has_no_names(many, visit):
    page = visit(many[0] + "board/")
    assert page.locator("#board li").count() == 10
    assert "student" not in page.locator("body").inner_text()


def test_without_script_the_page_shows_how_things_stand(many, visit):
    page = visit(many[0], java_script_enabled=False)
    assert page.locator("#students tr").count() == 500
    assert not page.get_by_label("Search").is_visible()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_class_is_followed_while_it_is_graded_killed_and_resumed(visit, tmp_path, watching):
    (tmp_path / "class").mkdir()
    for number in range(6):
        shutil.copytree(REPOSITORY / "tests" / "submissions" / "rf_44", tmp_path / "class" / f"rf {number}")
    shutil.copytree(REPOSITORY / "tests" / "submissions" / "group_norm", tmp_path / "class" / "trained")
    for number, folder in enumerate(sorted((tmp_path / "class").iterdir())):
        with (folder / "model.py").open("a") as file:
            file.write(f"# {number}\n")
    store = tmp_path / "cohort.db"
    command = [sys.executable, "-m", "harness", "cohort", "grade", tmp_path / "class", "--store", store]
    command += ["--data", "mini", "--workers", "1"]

    def graded() -> subprocess.Popen:
        return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)

    grading = graded()
    while not store.is_file() or not handed_in(store):
        assert grading.poll() is None
        time.sleep(0.5)
    page = visit(watching(store))
    page.locator("#now", has_text="trained").get_by_text("epoch 1 of 4").wait_for(timeout=300_000)
    assert page.locator("#now svg").count() == 1
    for process in family(grading.pid):
        os.kill(process, signal.SIGKILL)
    grading.wait()
    page.locator("#now", has_text="Nothing is being graded.").wait_for(timeout=2 * SOON)
    grading = graded()
    page.locator("#now", has_text="trained").get_by_text("epoch 1 of 4").wait_for(timeout=300_000)
    page.get_by_text("Nothing is left to be graded.").wait_for(timeout=300_000)
    assert grading.wait(60) in (0, 3)
    assert page.locator("#students tr", has_text="✗ failed").count() == 6
    assert page.locator("#said").inner_text() == ""


def handed_in(path: Path) -> int:
    """Count the rows of a store that is being made."""
    try:
        opened = open_for_reading(str(path))
    except Exception:  # noqa: BLE001 - its tables are not there yet
        return 0
    try:
        return len(rows(opened))
    except Exception:  # noqa: BLE001
        return 0
    finally:
        opened.close()


def family(pid: int) -> list[int]:
    """List a process and those below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(process for child in children for process in family(int(child)))]
