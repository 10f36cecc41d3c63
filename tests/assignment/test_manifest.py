"""The manifest: what a submission may say of itself, and what it may not."""

import pytest
from checkout import REPOSITORY

from harness.assignment.manifest import load_manifest, parse_manifest
from harness.base.errors import AssignmentError


def test_the_shipped_manifest_names_both_networks_and_their_folders():
    manifest = load_manifest(REPOSITORY / "submission" / "submission.toml")
    assert manifest.variants["basic"].class_name == "Net"
    assert manifest.variants["basic"].output == "results/base_model"
    assert manifest.variants["dilated"].class_name == "NetDilated"
    assert manifest.variants["dilated"].output == "results/dilated_model"


@pytest.mark.parametrize("path", ["/etc/passwd", "../model.py", "a/../../b.py", "a\0.py"])
def test_a_manifest_cannot_point_outside_the_submission(path):
    with pytest.raises(AssignmentError, match=r"file must be a relative path without '\.\.'"):
        parse_manifest({"variants": {"basic": {"file": path, "class": "Net"}}})


def test_a_manifest_names_transforms_from_the_known_list_only():
    override = {"augmentation": [{"name": "Lambda", "p": 1.0}]}
    table = {"variants": {"basic": {"file": "m.py", "class": "Net", "recipe": override}}}
    with pytest.raises(AssignmentError, match=r"variants\.basic\.recipe\.augmentation\.0\.name"):
        parse_manifest(table)


@pytest.mark.parametrize("output", ["results/same", ".", "scorecard.json", "a/.hidden"])
def test_every_variant_needs_a_results_folder_of_its_own(output):
    variants = {
        "basic": {"file": "m.py", "class": "A", "output": "results/same"},
        "dilated": {"file": "m.py", "class": "B", "output": output},
    }
    with pytest.raises(
        AssignmentError, match=r"variants\.dilated\.output: the last part must be a folder name"
    ):
        parse_manifest({"variants": variants})


def test_a_variant_without_an_output_gets_a_folder_of_its_own_name():
    manifest = parse_manifest({"variants": {"basic": {"file": "m.py", "class": "A"}}})
    assert manifest.variants["basic"].folder("basic") == "basic"


def test_a_manifest_without_end_is_not_read(tmp_path):
    path = tmp_path / "submission.toml"
    path.write_text("#" * 65_537)
    with pytest.raises(AssignmentError, match=r"submission\.toml: too large; expected at most 65,536 bytes"):
        load_manifest(path)


def test_a_message_shows_the_beginning_of_a_long_key_and_value():
    table = {"variants": {"basic": {"file": "m.py", "class": "N", "x" * 9_000: 1, "output": ["y" * 9_000]}}}
    with pytest.raises(AssignmentError) as error:
        parse_manifest(table)
    assert len(str(error.value)) < 1_500


def test_what_is_wrong_with_a_file_is_said_the_same_wherever_it_lies(tmp_path):
    said = set()
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "submission.toml"
        for content in (b"variants = {", b"\xff"):
            file.write_bytes(content)
            with pytest.raises(AssignmentError) as error:
                load_manifest(file)
            said.add(str(error.value))
    assert len(said) == 2
    assert all(message.startswith("submission.toml: ") for message in said)
