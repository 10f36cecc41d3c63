"""The list of the assignments there are."""

from harness.assignment.gallery import shipped
from harness.authoring.listing import listed


def test_every_shipped_assignment_is_listed_with_its_points():
    by_id = {one.id: one for one in listed()}
    assert list(by_id) == list(shipped())
    assert by_id["cifar10-compact-cnn"].points == 100


def test_the_list_says_whether_the_data_is_here(elsewhere, monkeypatch):
    compact = {one.id: one.data_is_here for one in listed()}
    assert not compact["cifar10-compact-cnn"]
    (elsewhere / "cifar-10-batches-py").mkdir()
    monkeypatch.setenv("CIFAR10_ROOT", str(elsewhere))
    compact = {one.id: one.data_is_here for one in listed()}
    assert compact["cifar10-compact-cnn"]
