"""`harness augment`: a picture from the recipe and the data, the same for the same seed."""

import pytest
from typer.testing import CliRunner

from harness.base.errors import UsageError
from harness.cli.app import app


def augment(*options):
    return CliRunner().invoke(app, ["augment", "--data", "mini", *map(str, options)])


def picture(folder):
    return (folder / "augmentations" / "augmented_grid.png").read_bytes()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_picture_and_another_one_another(tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        answer = augment("--n-samples", 2, "--seed", seed, "--out", tmp_path / name)
        assert answer.exit_code == 0
    assert picture(tmp_path / "one") == picture(tmp_path / "again") != picture(tmp_path / "other")


def test_no_image_at_all_is_bad_usage(tmp_path):
    assert augment("--n-samples", 0, "--out", tmp_path).exit_code == 2


def test_a_folder_that_cannot_be_written_is_named_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    answer = augment("--out", tmp_path / "file" / "below")
    assert isinstance(answer.exception, UsageError)
    assert "cannot be written" in str(answer.exception)
