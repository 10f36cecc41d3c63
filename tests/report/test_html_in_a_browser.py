"""scorecard.html in Chromium: it renders, asks for nothing, works by keyboard, and nobody is shut out."""

from pathlib import Path

import pytest
from visits import Visit

from harness.report.html import render_html


@pytest.fixture(params=["full", "failed", "hostile"])
def card(request, tmp_path, full_record, record, hostile_record, folder_with_pictures) -> Path:
    """A page of each kind; `record` has a failed variant and one that could not be loaded."""
    chosen = {"full": full_record, "failed": record, "hostile": hostile_record}[request.param]
    path = tmp_path / "scorecard.html"
    path.write_text(render_html(chosen, {"basic": folder_with_pictures}), encoding="utf-8")
    return path


def test_it_opens_without_a_word_in_the_console_and_asks_for_nothing(browser, card):
    with Visit(browser, card) as visit:
        assert visit.page.get_by_role("heading", level=1).is_visible()
        assert (visit.said, visit.asked_for) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, card, scheme):
    with Visit(browser, card, color_scheme=scheme) as visit:
        assert visit.grave() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_not_cut_at_any_width(browser, card, scheme):
    with Visit(browser, card, color_scheme=scheme) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach(element => element.open = true)")
        assert visit.cut() == []


def test_the_drawing_of_the_graph_is_seen_whole_on_a_tablet(
    browser, full_record, folder_with_pictures, tmp_path
):
    path = tmp_path / "scorecard.html"
    path.write_text(render_html(full_record, {"basic": folder_with_pictures}), encoding="utf-8")
    with Visit(browser, path, 800) as visit:
        drawing = visit.page.locator("img.graph").first.bounding_box()
        assert drawing["width"] > 600
        assert drawing["x"] + drawing["width"] <= 800


def test_a_wide_table_scrolls_in_a_region_that_takes_the_focus(browser, full_record, tmp_path):
    path = tmp_path / "scorecard.html"
    path.write_text(render_html(full_record, {}), encoding="utf-8")
    with Visit(browser, path, 380) as visit:
        region = visit.page.get_by_role("region", name="Confusion matrix").first
        assert region.evaluate("element => element.scrollWidth > element.clientWidth")
        region.focus()
        region.press("ArrowRight")
        visit.page.wait_for_function(
            "element => element.scrollLeft > 0", arg=region.element_handle(), timeout=5_000
        )


def test_the_square_grows_with_the_layer_that_has_the_focus(browser, full_record, tmp_path):
    path = tmp_path / "scorecard.html"
    path.write_text(render_html(full_record, {}), encoding="utf-8")
    with Visit(browser, path, reduced_motion="reduce") as visit:
        field = visit.page.locator(".field").first
        square, says = field.locator("rect.current"), field.locator(".says")
        assert square.get_attribute("width") == "61"
        field.get_by_role("button").first.focus()
        assert (square.get_attribute("width"), square.get_attribute("x")) == ("5", "13.5")
        assert says.inner_text() == "block0.convolution.0: 5 × 5 px"
        visit.page.keyboard.press("ArrowDown")
        assert square.get_attribute("width") == "9"
        assert field.get_by_role("button", pressed=True).inner_text() == "block0.convolution.1"
        field.locator("tbody tr").nth(4).hover()
        assert square.get_attribute("width") == "21"
        visit.page.mouse.move(0, 0)
        assert square.get_attribute("width") == "9"


def test_without_script_the_table_and_the_drawing_remain(browser, full_record, tmp_path):
    path = tmp_path / "scorecard.html"
    path.write_text(render_html(full_record, {}), encoding="utf-8")
    with Visit(browser, path, java_script_enabled=False) as visit:
        field = visit.page.locator(".field").first
        assert field.locator("tbody tr").count() == 15
        assert field.locator("rect.square").count() == 15
        assert field.locator("rect.current").get_attribute("width") == "61"
        assert field.get_by_role("button").count() == 0


def test_on_paper_it_is_light_and_everything_is_open(browser, full_record, tmp_path):
    path = tmp_path / "scorecard.html"
    path.write_text(render_html(full_record, {}), encoding="utf-8")
    with Visit(browser, path, color_scheme="dark") as visit:
        epochs = visit.page.get_by_role("region", name="Epoch by epoch").first
        assert not epochs.is_visible()
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert epochs.is_visible()
