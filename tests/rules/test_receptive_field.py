import pytest

from harness.base.errors import AssignmentError


def test_the_receptive_field_lies_between_its_limits(basic, by_rule):
    finding = by_rule("receptive_field", basic(), above_px=52, below_px=54)
    assert (finding.status, finding.actual) == ("passed", "53 px (77 px counting the pool)")
    assert finding.expected == "more than 52 px and fewer than 54 px before the global pool"


def test_one_that_is_too_large_says_what_makes_it_smaller(basic, by_rule):
    finding = by_rule("receptive_field", basic(), below_px=53)
    assert (finding.status, finding.expected) == ("failed", "fewer than 53 px before the global pool")
    assert finding.help.startswith("Use fewer convolutions, smaller kernels or dilations")


def test_the_place_decides(basic, by_rule):
    architecture = basic()
    assert by_rule("receptive_field", architecture, below_px=60).status == "passed"
    assert by_rule("receptive_field", architecture, below_px=60, place="with_pool").status == "failed"


def test_for_the_record_everything_passes(basic, sketch, by_rule):
    finding = by_rule("receptive_field", basic(), record_only=True)
    assert finding.expected == "any number of px, for the record, before the global pool"
    assert (finding.status, finding.actual) == ("passed", "53 px (77 px counting the pool)")


def test_for_the_record_what_is_not_known_is_said(sketch, by_rule):
    x = sketch.call("mystery", sketch.conv("x", 8))
    finding = by_rule("receptive_field", sketch.architecture(sketch.head(x)), record_only=True)
    assert (finding.status, finding.help) == ("passed", "")
    assert "mystery" in finding.actual


def test_an_upper_bound_decides_what_it_can(sketch, by_rule):
    x = sketch.conv("x", 8)
    x = sketch.call("upsample_bilinear2d.vec", x, None, False, [2.0, 2.0], shape=("batch", 8, 64, 64))
    architecture = sketch.architecture(sketch.head(x))
    assert by_rule("receptive_field", architecture, below_px=50).status == "passed"
    assert by_rule("receptive_field", architecture, above_px=50).status == "failed"
    assert by_rule("receptive_field", architecture, above_px=2).status == "not_judged"
    assert by_rule("receptive_field", architecture, below_px=2).status == "not_judged"


MISTAKES = {
    "expected above_px or below_px, or else record_only = true": [{}, {"above_px": 1, "record_only": True}],
    "above_px is 5 and below_px 6: no number is between them": [{"above_px": 5, "below_px": 6}],
}


@pytest.mark.parametrize("message", MISTAKES)
def test_limits_that_make_no_sense_are_refused(basic, by_rule, message):
    architecture = basic()
    for settings in MISTAKES[message]:
        with pytest.raises(AssignmentError) as error:
            by_rule("receptive_field", architecture, **settings)
        assert message in str(error.value)
