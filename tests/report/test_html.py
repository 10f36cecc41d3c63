"""scorecard.html says what the record says, needs no other file, and is not moved by hostile names."""

import re
from pathlib import Path

import pytest
from html_page import Page

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.record.findings import Problem
from harness.record.trainings import in_percent
from harness.report.html import image_px, most_confused, render_html
from harness.report.plots.sources import EffectiveField, write_effective_field
from harness.report.words import accuracy_asked


@pytest.fixture
def page(record, folder_with_pictures) -> Page:
    return Page(render_html(record, {"basic": folder_with_pictures}))


def test_it_says_what_the_record_says(page):
    for said in (
        "Failed 10 of 25 points",
        "Accuracy: 56.67 % on 30 test images, 95 % interval 39.20 % to 72.62 %",
        "no_max_pool no max-pooling, under any name ✗ failed 0 / 5",
        "replace block.pool by a stride-2 convolution",
        "block.pool model.py:7",
        "the layer spare is registered but never called",
        "Before the pool: 3 px . With the pool: 34 px. Jump: 1 px.",
        "1 1.5000 40.00 % 1.2000 60.00 % 0.1",
        "trained at full size",
        "frog called cat (5 of 10)",
        "The submission could not be loaded. model.py:3: NameError",
        "Cause: something in the submission.",
        "harness grade submission",
        "python 3.11, torch 2",
    ):
        assert said in page.text


def test_why_a_network_gets_its_epochs_is_said(record, page):
    why = "54 million multiply-adds an image: 10 epochs"
    provenance = {**record.provenance, "recipe": {"basic": {"why": why}}}
    tiered = Page(render_html(record.model_copy(update={"provenance": provenance}), {}))
    assert f"device cpu. Recipe: {why}." in tiered.text
    assert "Recipe: " not in page.text


def test_several_seeds_are_all_shown_with_the_mean(record, training, tmp_path):
    more = tuple(
        training.model_copy(update={"seed": seed, "weights_sha256": f"{seed}" * 64}) for seed in (2, 3)
    )
    basic = record.variants["basic"].model_copy(update={"more_trainings": more})
    page = render_html(record.model_copy(update={"variants": {"basic": basic}}), {"basic": tmp_path})
    page = page.replace("\u00a0", " ")
    assert "so more seeds were trained and the mean decides: <strong>56.67 %</strong>" in page
    for seed in (1, 2, 3):
        assert f'<tr><th scope="row">{seed}</th><td>56.67 %</td><td>39.20 % to 72.62 %</td>' in page
        assert f"<dt>Final weights of basic, seed {seed}</dt>" in page


def test_the_contents_lead_to_every_part_that_there_is(page, record, tmp_path):
    (first,) = page.all("nav")
    assert first["aria-label"] == "Contents"
    parts = ["change", "evidence", "graph", "field", "training", "confusions"]
    linked = [attributes["href"] for attributes in page.all("a")]
    assert linked[2:] == [
        "#rules",
        "#v1",
        *(f"#v1-{part}" for part in parts),
        "#v2",
        "#v2-change",
        "#reproduce",
    ]
    bare = record.model_copy(update={"variants": {}})
    assert [one["href"] for one in Page(render_html(bare, {})).all("a")] == ["#reproduce"]


def test_what_failed_stands_first_and_what_was_not_judged_before_what_passed(record):
    basic = record.variants["basic"]
    passed, failed = basic.findings
    unjudged = passed.model_copy(update={"rule": "dilation", "status": "not_judged", "points": None})
    rules = {"basic": basic.model_copy(update={"findings": (passed, unjudged, failed)})}
    rows = re.findall(
        r'<tr role="row"><th scope="row" role="rowheader"><code>(\w+)</code>|<tr><th scope="row"><code>(\w+)',
        render_html(record.model_copy(update={"variants": rules}), {}),
    )
    order = ["no_max_pool", "dilation", "max_parameters"]
    assert [by_rule for _, by_rule in rows if by_rule][:3] == order
    assert [evidence for evidence, _ in rows if evidence] == order


def test_what_a_position_could_see_and_does_see_is_one_picture(record, tmp_path):
    field = EffectiveField(
        heat=[[0, 0, 0, 0], [0, 1, 0.25, 0], [0, 0, 0, 0]], rows=(0, 3), columns=(0, 3), image=(1, 2, 32, 32)
    )
    write_effective_field(tmp_path, field)
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "receptive_field.png").write_bytes(b"not shown")
    page = Page(render_html(record, {"basic": tmp_path}))
    (seen,) = page.all("image")
    assert (seen["x"], seen["y"], seen["width"], seen["height"]) == ("-2.0", "-1.0", "4", "3")
    assert seen["href"].startswith("data:image/png")
    (held,) = [one for one in page.all("rect") if one.get("class") == "held"]
    assert (held["x"], held["y"], held["width"]) == ("-2.0", "-1.0", "3.0")
    assert "by its gradient with the initial weights; dashed: 3 × 3 px, with 95 % of it." in page.text
    assert page.all("img") == []


def test_a_number_and_its_sign_of_percent_stay_on_one_line_but_code_stays_as_it_is(record, tmp_path):
    problem = Problem(cause="student", message="5 % of it", traceback="x = 5 % 2")
    dilated = record.variants["dilated"].model_copy(update={"problem": problem})
    html = render_html(record.model_copy(update={"variants": record.variants | {"dilated": dilated}}), {})
    assert "<pre>x = 5 % 2</pre>" in html
    assert "5\u00a0% of it" in html
    outside = re.sub(r"<(pre|style|script)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert outside.count("\u00a0%") > 10
    assert not re.search(r"\d %", outside)


def test_a_hundred_percent_is_said_of_all_alone(record, training):
    matrix = ((2_999, 1, 0), (0, 10, 0), (0, 0, 10))
    update = {"confusion": matrix, "accuracy": 0.99999, "accuracy_interval": (0.999, 1.0)}
    basic = record.variants["basic"].model_copy(update={"training": training.model_copy(update=update)})
    text = Page(render_html(record.model_copy(update={"variants": {"basic": basic}}), {})).text
    assert "Last epoch: 99.99 % of 30 test images" in text.replace(" % of", " % of")
    assert "2999 1 0 99.9 %" in text
    assert "0 10 0 100.0 %" in text


@pytest.mark.parametrize(
    ("share", "digits", "said"),
    [
        (1.0, 2, "100.00"), (1 - 1e-12, 1, "100.0"), (0.99999, 2, "99.99"), (0.9996, 1, "99.9"),
        (0.996, 0, "99"), (0.5, 2, "50.00"), (0.0, 1, "0.0"),
    ],
)  # fmt: skip
def test_rounding_never_makes_all_of_nearly_all(share, digits, said):
    assert in_percent(share, digits) == said


def test_every_element_is_closed_where_it_should_be(page):
    assert page.open == []
    assert page.misplaced == []


def test_no_id_is_used_twice_and_every_reference_has_one(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes.get("aria-labelledby") for _, attributes in page.elements]
    linked = [(attributes.get("href") or "")[1:] for attributes in page.all("a")]
    assert {name for name in [*named, *linked] if name} <= set(ids)


def test_it_needs_no_other_file(page):
    for tag, attributes in page.elements:
        for key in ("src", "href", "action", "srcset"):
            address = attributes.get(key) or "#"
            assert address.startswith(("data:", "#")), (tag, key)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_the_images_it_gets_wrong_are_shown_with_what_they_are_and_what_it_calls_them(page):
    assert "is cat called dog, 92 %" in page.text
    assert "is dog called frog, 70 %" in page.text
    assert sum((image.get("src") or "").startswith("data:image/png") for image in page.all("img")) == 2
    assert sum((image.get("src") or "").startswith("data:image/svg+xml") for image in page.all("img")) == 1


def test_what_is_not_there_is_left_out(record, tmp_path):
    page = Page(render_html(record, {"basic": tmp_path / "none"}))
    assert page.all("img") == []
    assert "wrong with most confidence" not in page.text
    assert "Graph What PyTorch executes" not in page.text


def test_nothing_is_taken_from_a_folder_that_holds_another_graph(record, folder_with_pictures):
    (folder_with_pictures / "architecture.json").write_text("{}")
    assert Page(render_html(record, {"basic": folder_with_pictures})).all("img") == []


def test_hostile_names_stay_text(hostile_record, record, folder_with_pictures):
    html = render_html(hostile_record, {"basic": folder_with_pictures})
    page, plain = Page(html), Page(render_html(record, {"basic": folder_with_pictures}))
    assert page.open == page.misplaced == []
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in plain.elements}
    for tag in ("script", "style", "title", "img", "image", "link"):
        assert len(page.all(tag)) == len(plain.all(tag))
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u200b]", html)
    assert "⟨U+001B⟩[31mred" in page.text
    assert "⟨U+202E⟩gnp.exe" in page.text


def test_the_threshold_is_that_of_the_assignment_in_the_record(record):
    assignment = load_assignment(DEFAULT_ASSIGNMENT)
    own = assignment.model_dump(mode="json") | {"id": "not-shipped"}
    own["rules"] = {**own["rules"], "min_accuracy": {"points": 1, "at_least": 0.85}}
    shipped = record.model_copy(update={"provenance": {**record.provenance, "assignment": own}})
    assert accuracy_asked(shipped, "basic") == 0.85
    page = Page(render_html(shipped, {}))
    assert "28.33 points below the line of 85 %" in page.text
    assert "85 % asked" in page.text
    without = {name: rule for name, rule in own["rules"].items() if name != "min_accuracy"}
    for other in ({**own, "rules": without}, {"rules": "none"}, {}):
        changed = record.model_copy(update={"provenance": {"assignment": other}})
        assert accuracy_asked(changed, "basic") is None


def test_the_most_confused_pair_comes_first(training):
    first = most_confused(training)[0]
    assert (first.label, first.called, first.count, first.total) == ("frog", "cat", 5, 10)


def test_a_preview_is_no_grade_and_has_no_threshold(record):
    basic = record.variants["basic"]
    data = basic.training.data.model_copy(update={"name": "mini"})
    preview = basic.model_copy(update={"training": basic.training.model_copy(update={"data": data})})
    page = Page(render_html(record.model_copy(update={"variants": {"basic": preview}}), {}))
    assert "Training: a preview on the embedded mini set, not a grade" in page.text
    assert "asked" not in page.text.split("Evidence")[1]


@pytest.mark.parametrize(
    ("data", "side"),
    [
        ({"dataset": "mnist"}, 28),
        ({"dataset": "mnist", "resize": 64}, 64),
        ({"dataset": "cifar10", "input_shape": [3, 32, 32], "classes": 10}, 32),
        ({"dataset": "of another harness"}, None),
        (None, None),
    ],
)
def test_the_receptive_field_is_drawn_around_an_image_of_the_size_the_record_says(record, data, side):
    there = record.model_copy(update={"provenance": record.provenance | {"assignment": {"data": data}}})
    assert image_px(there) == side
    page = Page(render_html(there, {}))
    assert (f"Frame: the image, {side} × {side} px" in page.text) == (side is not None)


def test_a_name_in_a_template_that_does_not_exist_is_an_error(record, tmp_path):
    for name in ("scorecard.css", "scorecard.js"):
        (tmp_path / name).write_text("")
    Path(tmp_path / "scorecard.html.j2").write_text("{{ record.verdikt }}")
    with pytest.raises(Exception, match="verdikt"):
        render_html(record, {}, templates=tmp_path)
