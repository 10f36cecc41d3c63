"""table.html in Chromium: it sorts, searches, asks for nothing, and nobody is shut out."""

from pathlib import Path

import pytest
from checkout import REPOSITORY
from costs import cost
from visits import WIDTHS, Visit

from harness.cohort.page import render_page
from harness.cohort.table import ClassTable
from harness.similarity.page import render_similar_page, with_evidence
from harness.similarity.similarity import Document, clusters
from harness.similarity.sources import read_text


class TableVisit(Visit):
    """A table of a class that was written and opened."""

    def __init__(self, browser, table: ClassTable, width: int = 1400, **context) -> None:
        path = table.out / "table.html"
        path.write_text(render_page(table), encoding="utf-8")
        super().__init__(browser, path, width, **context)

    @property
    def students(self) -> list[str]:
        """Students whose lines are shown, in order."""
        return self.page.locator(".students tbody tr:visible th").all_inner_texts()

    def sort(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()


@pytest.fixture(params=["class", "hostile"])
def table(request, class_table, hostile_table) -> ClassTable:
    return class_table if request.param == "class" else hostile_table


@pytest.fixture
def similar(tmp_path) -> Path:
    """A page on two submissions that are alike, under hostile names, with lines too long for any screen."""
    source = (REPOSITORY / "submission" / "model.py").read_text() + "# " + "long " * 100 + "\n"
    names = ("<script>alert(1)</script>" + "x" * 90, "\u202egnp.exe\n<b>")
    works = [Document(name, (read_text(f"{name[:9]}.py", [source]),), {}) for name in names]
    path = tmp_path / "similar.html"
    path.write_text(
        render_similar_page(with_evidence(clusters(works), works), 2, "A title"), encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_what_is_alike_opens_silently_is_not_cut_and_shuts_nobody_out(browser, similar, scheme):
    with Visit(browser, similar, color_scheme=scheme) as visit:
        assert (visit.said, visit.asked_for, visit.cut(), visit.grave()) == ([], [], [], [])
    one, other = (len(text) > 500 for text in texts_of(browser, similar))
    assert one
    assert other


def texts_of(browser, path: Path) -> list[str]:
    with Visit(browser, path) as visit:
        return visit.page.locator(".beside pre").all_inner_texts()


def test_it_opens_without_a_word_in_the_console_and_asks_for_nothing(browser, table):
    with TableVisit(browser, table) as visit:
        assert len(visit.students) == len(table.rows)
        assert (visit.said, visit.asked_for) == ([], [])


def test_a_column_sorts_up_and_then_down_and_what_is_not_known_stays_last(browser, class_table):
    with TableVisit(browser, class_table) as visit:
        visit.sort("Accuracy, %")
        untrained = ["cyd", "dan", "fay", "gus", "hal"]
        assert visit.students == ["bob", "Zoë 9", "ada", "Zoë 10", "eve", *untrained]
        visit.sort("Accuracy, %")
        assert visit.students == ["eve", "Zoë 10", "ada", "Zoë 9", "bob", *untrained]
        head = visit.page.locator("th[aria-sort]")
        assert (head.count(), head.get_attribute("aria-sort")) == (1, "descending")
        assert visit.said == []


def test_numbers_sort_as_numbers_and_names_as_people_do(browser, class_table):
    with TableVisit(browser, class_table) as visit:
        assert visit.students[-2:] == ["Zoë 9", "Zoë 10"]
        visit.sort("Student")
        assert visit.students[:2] == ["Zoë 10", "Zoë 9"]
        visit.sort("Points")
        assert visit.students[:3] == ["cyd", "bob", "dan"]
        visit.sort("Seconds")
        assert visit.students[0] == "eve"


def test_a_rule_sorts_by_its_verdict(browser, class_table):
    with TableVisit(browser, class_table) as visit:
        visit.sort("no_max_pool")
        visit.sort("no_max_pool")
        assert visit.students[:2] == ["cyd", "fay"]


def test_the_search_finds_words_in_any_order_and_says_how_many(browser, class_table):
    with TableVisit(browser, class_table) as visit:
        visit.page.get_by_label("Search").fill("zo 9")
        assert visit.students == ["Zoë 9"]
        assert visit.page.locator("#shown").inner_text() == "1 of 10"
        visit.page.get_by_label("Search").fill("nameerror")
        assert visit.students == ["fay"]
        visit.page.get_by_label("Search").fill("")
        visit.page.get_by_label("Verdict").select_option("failed")
        assert visit.students == ["bob", "cyd"]
        visit.page.get_by_label("Search").fill("nobody")
        assert visit.students == []
        visit.page.get_by_label("Search").press("Enter")
        assert visit.page.url == visit.address


def test_sorting_keeps_what_is_filtered_and_works_by_keyboard(browser, class_table):
    with TableVisit(browser, class_table) as visit:
        visit.page.get_by_label("Verdict").select_option("passed")
        visit.page.get_by_role("button", name="Accuracy, %", exact=True).focus()
        visit.page.keyboard.press("Enter")
        assert visit.students == ["Zoë 9", "ada", "Zoë 10", "eve"]


def test_the_link_leads_to_the_scorecard(browser, class_table):
    with TableVisit(browser, class_table) as visit:
        visit.page.get_by_role("link", name="ada").click()
        visit.page.wait_for_url("**/scorecard.html", timeout=5_000)
        assert visit.page.title() == "ada"


def test_without_script_the_whole_table_remains(browser, class_table):
    with TableVisit(browser, class_table, java_script_enabled=False) as visit:
        assert len(visit.students) == 10
        assert not visit.page.locator(".finder").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, table, scheme):
    with TableVisit(browser, table, color_scheme=scheme) as visit:
        assert visit.grave() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_not_cut_at_any_width(browser, table, scheme):
    with TableVisit(browser, table, color_scheme=scheme) as visit:
        assert visit.cut() == []


BOXES = """[...document.querySelectorAll("body *")]
    .filter(element => ["auto", "scroll"].includes(getComputedStyle(element).overflowY))
    .filter(element => element.scrollHeight > element.clientHeight + 1)
    .map(element => element.outerHTML.slice(0, 120))"""
"""Elements that scroll up and down inside the page."""


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_alone_scrolls_and_no_box_in_it(browser, class_table, row, width):
    many = ClassTable(tuple(row(f"student {i}") for i in range(60)), class_table.assignment, class_table.out)
    with TableVisit(browser, many, width) as visit:
        assert visit.page.evaluate("document.documentElement.scrollHeight") > 1_800
        assert visit.page.evaluate(BOXES) == []


LABELS = """line => [...line.querySelectorAll("td.rule")]
    .filter(cell => cell.clientWidth).map(cell => cell.dataset.label)"""
"""Rules that are shown of a line."""


def test_on_a_phone_a_student_is_a_few_lines_with_what_failed_and_no_more(browser, class_table):
    with TableVisit(browser, class_table, 380) as visit:
        line = visit.page.locator(".students tbody tr").filter(has_text="cyd")
        assert line.bounding_box()["height"] < 160
        assert line.evaluate(LABELS) == ["no_max_pool", "downsampling"]
        unread = visit.page.locator(".students tbody tr").filter(has_text="fay")
        assert unread.evaluate(LABELS) == []


def test_on_a_phone_a_menu_sorts_either_way(browser, class_table):
    with TableVisit(browser, class_table, 380) as visit:
        visit.page.get_by_label("Sort by").select_option("Points")
        assert visit.students[:3] == ["cyd", "bob", "dan"]
        visit.page.get_by_label("from the end").check()
        assert visit.students[:2] == ["ada", "eve"]
        assert visit.said == []


@pytest.mark.parametrize(
    ("locale", "names"),
    [("de-DE", ["ada 2", "Ada 10", "Ädelgard", "Zoë"]), ("sv-SE", ["ada 2", "Ada 10", "Zoë", "Ädelgard"])],
)
def test_names_stand_in_the_order_of_the_reader_s_language(browser, class_table, row, locale, names):
    mixed = ClassTable(tuple(map(row, sorted(names))), class_table.assignment, class_table.out)
    with TableVisit(browser, mixed, locale=locale) as visit:
        assert visit.students == names


@pytest.mark.slow
def test_a_page_of_a_class_of_2000_costs_as_its_size_and_each_student_is_found(browser, class_table, row):
    rows = tuple(row(f"student {i}", 0.8 + i / 20_000) for i in range(2_000))
    table, few = (ClassTable(shown, class_table.assignment, class_table.out) for shown in (rows, rows[:250]))
    assert cost(lambda: render_page(table)) < 24 * cost(lambda: render_page(few))
    with TableVisit(browser, table) as visit:
        visit.page.get_by_label("Search").fill("student 1999")
        assert visit.page.locator("#shown").inner_text() == "1 of 2000"
        assert visit.students == ["student 1999"]
