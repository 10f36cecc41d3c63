"""The words are those of the published generator, and depend on what they are named by alone."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.chance.philox import Moment, philox

CPU = torch.device("cpu")
WORD = st.integers(0, 2**32 - 1)
MOMENT = Moment(seed=2**40 + 3, epoch=5, step=6)


def encrypted(counter: list[int], key: tuple[int, int]) -> list[int]:
    """Work the same out in Python's integers, which have no size."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 % 2**32, (p0 >> 32) ^ c[3] ^ k1, p0 % 2**32]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c


def in_torch(counter: list[int], key: tuple[int, int]) -> list[int]:
    c0, c1, c2, c3 = (torch.tensor([word]) for word in counter)
    return [int(word) for word in philox((c0, c1, c2, c3), key)]


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_the_known_answers_of_the_authors_are_given(counter: str, key: str, words: str) -> None:
    """Source: ``tests/kat_vectors`` of Random123, the authors' own library."""
    numbers = [[int(word, 16) for word in text.split()] for text in (counter, key, words)]
    assert in_torch(numbers[0], (numbers[1][0], numbers[1][1])) == numbers[2]


@given(st.lists(WORD, min_size=4, max_size=4), st.tuples(WORD, WORD))
@settings(max_examples=50, deadline=None)
def test_no_product_is_lost_in_64_bits(counter: list[int], key: tuple[int, int]) -> None:
    assert in_torch(counter, key) == encrypted(counter, key)


def test_a_stream_encrypts_the_place_of_each_block_under_the_seed() -> None:
    words = replace(MOMENT.stream(7), part=9).words(2**18 + 6, CPU)
    for block in (0, 1, 2**16 - 1, 2**16):  # the last two are computed apart
        found = [int(word) % 2**32 for word in words[4 * block : 4 * block + 4]]
        assert found == encrypted([block, 9 * 2**24 + 7, 6, 5], (3, 2**8))


def test_an_element_does_not_depend_on_how_many_there_are() -> None:
    stream = MOMENT.stream(7)
    many = stream.words(2**18 + 9, CPU)
    for count in (0, 1, 4, 1001, 2**18 + 1):
        assert torch.equal(stream.words(count, CPU), many[:count])


def test_another_seed_epoch_step_node_or_part_gives_other_words() -> None:
    streams = [
        MOMENT.stream(7), MOMENT.stream(8), replace(MOMENT.stream(7), part=1),
        *(replace(MOMENT, **{name: 7}).stream(7) for name in ("seed", "epoch", "step")),
        Moment(MOMENT.seed + 2**32, 5, 6).stream(7), Moment(MOMENT.seed, 6, 5).stream(7),
    ]  # fmt: skip
    drawn = torch.stack([stream.words(1000, CPU) for stream in streams])
    same = (drawn[:, None] == drawn[None]).sum(2)
    assert torch.equal(same, 1000 * torch.eye(len(streams), dtype=torch.int64))


def test_epoch_and_step_may_lie_on_the_device() -> None:
    there = Moment(MOMENT.seed, *torch.tensor([5, 6]))
    assert torch.equal(there.stream(7).words(100, CPU), MOMENT.stream(7).words(100, CPU))


def test_no_value_is_read_back_from_the_device() -> None:
    """Tensors of the meta device have none: whatever read one would raise."""
    meta = torch.device("meta")
    there = Moment(MOMENT.seed, *torch.zeros(2, dtype=torch.int64, device=meta))
    assert there.stream(7).words(100, meta).shape == (100,)
