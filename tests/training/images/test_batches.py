import numpy as np
import torch

from harness.datasets.images import Data
from harness.settings.recipe import RecipeSpec
from harness.training.images.batches import Batches, permutation, stream


def test_an_order_is_a_function_of_seed_and_epoch() -> None:
    orders = [permutation(100, seed, epoch).tolist() for seed in (1, 2) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert permutation(100, 1, 1).tolist() == orders[1]


def test_an_order_never_changes_from_version_to_version() -> None:
    assert permutation(8, 1, 0).tolist() == [0, 5, 4, 1, 2, 6, 3, 7]


def test_a_batch_can_be_asked_for_in_any_order(few: Data, recipe: RecipeSpec) -> None:
    forwards, backwards = Batches(few.train, recipe, 1), Batches(few.train, recipe, 1)
    there = [forwards[step] for step in range(8)]
    back = [backwards[step] for step in reversed(range(8))][::-1]
    assert all(torch.equal(a, b) for x, y in zip(there, back, strict=True) for a, b in zip(x, y, strict=True))


def test_an_epoch_shows_every_image_once_and_drops_the_rest(few: Data, recipe: RecipeSpec) -> None:
    plain = recipe.model_copy(update={"augmentation": (), "batch_size": 10})
    batches = Batches(few.train, plain, 1)
    assert batches.steps_per_epoch == 6
    seen = np.concatenate([batches[step][0].numpy() for step in range(6)])
    known = {image.tobytes() for image in few.train.images}
    assert len({image.tobytes() for image in seen} & known) == 60


def test_a_stream_starts_where_it_is_told(few: Data, recipe: RecipeSpec) -> None:
    batches = Batches(few.train, recipe, 1)
    rest = list(stream(batches, 5, 8, 0))
    assert len(rest) == 3
    assert torch.equal(rest[0][0], batches[5][0])


def test_a_stream_leaves_torch_s_generator_alone(few: Data, recipe: RecipeSpec) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    next(stream(Batches(few.train, recipe, 1), 0, 2, 0))
    assert torch.equal(torch.get_rng_state(), before)
