"""A teacher's own images: read in both layouts, pinned, and refused with the name of what is wrong."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.base.errors import DataError, DataUnavailableError
from harness.datasets.images import Data
from harness.datasets.loading import check_before, checked_folder, files_sha256, load_data
from harness.datasets.spec import DataSpec


def picture(path: Path, level: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode in ("L", "I;16") else (level,) * len(mode)).save(path)


@pytest.fixture
def pets(elsewhere) -> Path:
    """Two classes of four images and one test image each, in ./data/pets; the level says which it is."""
    folder = elsewhere / "data" / "pets"
    for label, name in enumerate(("cat", "dog")):
        for number in range(4):
            picture(folder / "train" / name / f"{number}.png", 100 * label + number)
        picture(folder / "test" / name / "0.png", 100 * label + 50)
    return folder


@pytest.fixture
def arrays(elsewhere) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(0)
    return {
        "x_train": chance.integers(0, 256, (6, 16, 16), dtype=np.uint8),
        "y_train": np.array([0, 1, 0, 1, 0, 1]),
        "x_test": chance.integers(0, 256, (2, 16, 16, 1), dtype=np.uint8),
        "y_test": np.array([[1], [0]], dtype=np.uint8),
    }


def spec_of(dataset: str = "folder", path: str = "pets", **changes) -> DataSpec:
    table = {"dataset": dataset, "path": path, "classes": ["cat", "dog"], "input_shape": [3, 16, 16]}
    return DataSpec.model_validate(table | changes)


def pinned(spec: DataSpec) -> DataSpec:
    """Write the value into the specification that a first attempt names."""
    with pytest.raises(DataError, match=r'sha256 = "\w{64}" into its \[data\]') as caught:
        load_data(spec, None, print)
    return spec.model_copy(update={"sha256": str(caught.value).partition('"')[2][:64]})


def load(spec: DataSpec) -> Data:
    return load_data(pinned(spec), None, print)


def save(arrays: dict[str, np.ndarray], **changes: np.ndarray | None) -> DataSpec:
    """Write ./data/pets.npz; an array that is None is left out."""
    Path("data").mkdir(exist_ok=True)
    np.savez("data/pets.npz", **{name: one for name, one in (arrays | changes).items() if one is not None})
    return spec_of("npz", "pets.npz", input_shape=[1, 16, 16])


def test_a_folder_is_read_class_by_class(pets):
    data = load(spec_of())
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 100, 101, 102, 103]
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4
    assert data.test.images[:, 0, 0, 0].tolist() == [50, 150]
    assert (data.name, data.classes, data.shape) == ("folder", ("cat", "dog"), (3, 16, 16))


def test_classes_are_numbered_as_the_assignment_has_them(pets):
    assert load(spec_of(classes=["dog", "cat"])).train.labels.tolist() == [0] * 4 + [1] * 4
    assert load(spec_of(classes=["dog", "cat"])).train.images[0, 0, 0, 0] == 100


def test_class_folders_need_no_folder_around_them_where_a_validation_split_is_the_test(pets):
    data = load(spec_of(path="pets/train", validation=2))
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101, 102]
    assert data.test.images[:, 0, 0, 0].tolist() == [3, 103]


def test_images_of_any_size_are_resized(pets):
    picture(pets / "train" / "cat" / "wide.jpg", 90, (40, 20))
    picture(pets / "train" / "dog" / "grey.webp", 90, (9, 30), "L")
    data = load(spec_of(input_shape=None, resize=24, channels=1))
    assert data.train.images.shape == (10, 24, 24, 1)


def test_a_secret_test_split_takes_the_place_of_the_open_one(pets, elsewhere):
    for name, level in (("cat", 7), ("dog", 8)):
        picture(elsewhere / "hidden" / name / "0.png", level)
    data = load(spec_of(test="hidden"))
    assert data.secret
    assert data.test.images[:, 0, 0, 0].tolist() == [7, 8]
    assert not load(spec_of()).secret


def test_files_that_are_no_images_of_a_class_do_not_matter(pets):
    spec = pinned(spec_of())
    (pets / "train" / "cat" / "notes.txt").write_text("hello")
    picture(pets / "train" / "bird" / "0.png", 1)
    assert load_data(spec, None, print).train.labels.tolist() == [0] * 4 + [1] * 4


def test_the_place_asked_for_comes_first(pets, elsewhere):
    spec = pinned(spec_of())
    assert load_data(spec, None, print).root == "data/pets"
    assert load_data(spec, str(elsewhere / "data"), print).root == str(pets)
    assert load_data(spec.model_copy(update={"path": str(pets)}), None, print).root == str(pets)


def test_images_that_are_nowhere_name_every_place(elsewhere):
    message = r"the folder pets: not found; looked for asked/pets, data/pets, pets\. Put it there, or name"
    with pytest.raises(DataUnavailableError, match=message):
        load_data(spec_of(), "asked", print)
    assert checked_folder(spec_of(), None) is None


def test_other_files_than_the_pinned_ones_are_refused(pets):
    spec = pinned(spec_of())
    picture(pets / "train" / "dog" / "2.png", 55)
    with pytest.raises(
        DataError, match=rf"pets: not the files .*; expected SHA-256 {spec.sha256}, got \w{{64}}\."
    ):
        check_before(spec, None)


def test_a_name_counts_as_much_as_a_content(pets):
    before = files_sha256(spec_of(), pets, None)
    (pets / "train" / "cat" / "0.png").rename(pets / "train" / "cat" / "9.png")
    assert files_sha256(spec_of(), pets, None) != before


def test_a_corrupt_image_is_named_before_anything_is_run(pets):
    broken = pets / "train" / "dog" / "2.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(
        DataError, match=r"train/dog/2\.png: cannot be read as an image \(.*\)\. Replace the file"
    ):
        check_before(spec_of(), None)
    broken.write_text("<html>")
    with pytest.raises(
        DataError, match=r"2\.png: cannot be read as an image \(cannot identify image file it\)"
    ):
        check_before(spec_of(), None)


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_empty_class_is_named(pets, split):
    for file in (pets / split / "dog").iterdir():
        file.unlink()
    with pytest.raises(
        DataError, match=rf"pets/{split}/dog: no images; expected at least one file that ends with"
    ):
        check_before(spec_of(), None)


def test_an_image_of_another_size_is_named(pets):
    picture(pets / "train" / "cat" / "3.png", 3, (16, 20))
    with pytest.raises(
        DataError, match=r"cat/3\.png: another size; expected 16x16 px, got 16x20\. Write resize = N"
    ):
        check_before(spec_of(), None)


def test_an_image_of_more_than_8_bits_is_named(pets):
    picture(pets / "train" / "cat" / "3.png", 3, mode="I;16")
    with pytest.raises(DataError, match=r"cat/3\.png: pixels of the kind I;16; expected 8 bits a channel"):
        check_before(spec_of(), None)


def test_arrays_are_read(arrays):
    data = load(save(arrays))
    assert np.array_equal(data.train.images[..., 0], arrays["x_train"])
    assert data.test.labels.tolist() == [1, 0]
    assert (data.name, data.shape, data.train.labels.dtype) == ("npz", (1, 16, 16), np.int64)


def test_a_secret_test_split_may_be_another_file_of_arrays(arrays):
    np.savez("hidden.npz", x_test=arrays["x_train"][:3], y_test=arrays["y_train"][:3])
    data = load(save(arrays).model_copy(update={"test": "hidden.npz"}))
    assert data.secret
    assert data.test.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": None},
            r"no array x_train; it holds y_train, x_test, y_test\. Images are x_train and x_test",
        ),
        ({"y_test": None}, r"no array y_test; it holds x_train"),
        (
            {"x_train": np.zeros((6, 16, 16), np.float32)},
            r"x_train: expected uint8 .*, got float32 of shape \(6, 16",
        ),
        (
            {"x_train": np.zeros((6, 2, 16, 16), np.uint8)},
            r"x_train: expected uint8 .*got uint8 of shape \(6, 2, 16",
        ),
        (
            {"x_train": np.zeros((6, 16, 18), np.uint8)},
            r"x_train: another size; expected 16x16 px, got 18x16\.",
        ),
        (
            {"y_train": np.zeros(6)},
            r"y_train: expected whole numbers of shape \(6,\), got float64 of shape \(6,\)",
        ),
        (
            {"y_train": np.zeros(5, int)},
            r"y_train: expected whole numbers of shape \(6,\), got int64 of shape \(5,\)",
        ),
        (
            {"y_train": np.array([0, 1, 2, 0, 1, 2])},
            r"y_train: expected labels 0 to 1, got 0 to 2\. Correct classes",
        ),
        ({"y_train": np.array([0, 1, -1, 0, 1, 1])}, r"y_train: expected labels 0 to 1, got -1 to 1"),
        ({"y_train": np.zeros(6, int)}, r"y_train: no image of 'dog'; expected at least one of each class"),
        (
            {"y_train": np.array([0, "a", None], dtype=object)},
            r"pets\.npz: cannot be read as arrays \(Object arrays",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays, changes, message):
    with pytest.raises(DataError, match=message):
        check_before(save(arrays, **changes), None)


def test_a_file_that_is_no_archive_is_named(arrays):
    spec = save(arrays)
    Path("data/pets.npz").write_text("x")
    with pytest.raises(
        DataError, match=r"pets\.npz: cannot be read as arrays \(.*\)\. Write it with numpy\.savez"
    ):
        check_before(spec, None)


def test_own_images_have_no_sample_to_preview_on():
    with pytest.raises(
        DataError, match="--data mini: no sample of the folder pets is embedded in the harness"
    ):
        check_before(spec_of(), "mini")
