"""Copies are pointed at, whatever was renamed; the starter and what most have are not."""

import random
from itertools import combinations

from checkout import REPOSITORY
from costs import cost

from harness.similarity.graphs import features, fingerprints
from harness.similarity.passages import passages
from harness.similarity.similarity import Document, Outlined, clusters
from harness.similarity.sources import read_text, texts_below

LAYERS = ("Conv2d", "BatchNorm2d", "ReLU", "GELU", "Dropout", "Linear", "Identity", "Hardswish", "Mish")


def program(seed: int, statements: int = 40) -> str:
    """Write a program of random layers and loops."""
    chance = random.Random(seed)
    lines = ["import torch.nn as nn"]
    for i in range(statements):
        layer, other = chance.sample(LAYERS, 2)
        lines.append(
            chance.choice(
                [
                    f"layer_{i} = nn.{layer}({i}, {i})",
                    f"for step_{i} in range({i}):\n    total = step_{i} + nn.{layer}",
                    f"def make_{i}(a, b):\n    return nn.Sequential(nn.{layer}(a), nn.{other}(b))",
                    f"if layer_{i} and not total:\n    layer_{i} = [nn.{other}() for _ in range({i})]",
                ]
            )
        )
    return "\n".join(lines) + "\n"


def document(student: str, source: str, graph: Outlined | None = None) -> Document:
    return Document(student, (read_text("model.py", [source]),), {} if graph is None else {"basic": graph})


def outlined(architecture) -> Outlined:
    return Outlined(fingerprints(architecture), features(architecture))


def names(found) -> list[tuple[str, ...]]:
    return [cluster.students for cluster in found]


def test_strangers_are_not_pointed_at():
    assert clusters([document(f"s{i}", program(i)) for i in range(30)]) == ()


def test_a_renamed_copy_is_pointed_at_among_strangers():
    copy = program(3).replace("layer_", "brick_").replace("total", "result").replace("nn.", "net.")
    copy = copy.replace("import torch.nn as nn", "from torch import nn as net")
    found = clusters([*(document(f"s{i}", program(i)) for i in range(30)), document("copy", copy)])
    assert names(found) == [("copy", "s3")]
    assert found[0].pairs[0].source == 1


def test_a_copy_of_two_thirds_of_a_source_is_pointed_at_and_of_a_tenth_is_not():
    documents = [document(f"s{i}", program(i, 60)) for i in range(10)]
    most = document("most", program(3, 40) + program(99, 20).replace("import", "# import"))
    tenth = document("tenth", program(4, 6) + program(98, 54))
    (found,) = clusters([*documents, most, tenth])
    assert found.students == ("most", "s3")
    assert 0.5 < found.pairs[0].source < 0.8


def test_what_most_of_the_class_has_counts_for_nothing():
    shared = program(1_000)
    assert clusters([document(f"s{i}", program(i) + shared) for i in range(20)]) == ()


def test_what_a_few_share_counts_even_where_they_are_most_of_a_small_class():
    assert names(
        clusters([document("a", program(1)), document("b", program(1)), document("c", program(2))])
    ) == [("a", "b")]


def test_the_starter_counts_for_nothing():
    given = program(1_000)
    starter = document("starter", given)
    documents = [document("a", given), document("b", given), document("c", program(7) + given)]
    assert names(clusters(documents)) == [("a", "b", "c")]
    assert clusters(documents, starter) == ()


def test_copies_of_copies_are_one_cluster_and_the_strongest_comes_first():
    chain = [program(1, 60), program(1, 45) + program(2, 15), program(1, 33) + program(3, 27)]
    documents = [document(f"chain{i}", source) for i, source in enumerate(chain)]
    documents += [document("twin1", program(8)), document("twin2", program(8))]
    documents += [document(f"s{i}", program(20 + i)) for i in range(10)]
    found = clusters(documents)
    assert names(found) == [("twin1", "twin2"), ("chain0", "chain1", "chain2")]
    strengths = [pair.strength for pair in found[1].pairs]
    assert strengths == sorted(strengths, reverse=True)


def test_a_common_way_to_write_things_is_no_copy():
    common = [program(500 + i, 12) for i in range(3)]
    documents = [document(f"s{i}", program(i, 12) + common[i % 3]) for i in range(30)]
    assert clusters(documents) == ()
    assert clusters([*documents, document("copy", program(4, 12) + common[1])])[0].students == ("copy", "s4")


def test_a_ring_of_five_that_changed_a_fifth_is_pointed_at():
    ring = [document(f"ring{i}", program(7, 80) + program(900 + i, 20)) for i in range(5)]
    (found,) = clusters([*ring, *(document(f"s{i}", program(i)) for i in range(20, 40))])
    assert found.students == tuple(f"ring{i}" for i in range(5))


def test_a_few_lines_in_common_are_chance():
    shared = "import torch.nn as nn\nlayer = nn.Conv2d(3, 16, 3, padding=1)\nnorm = nn.BatchNorm2d(16)\n"
    assert clusters([document("a", shared), document("b", shared), document("c", program(1))]) == ()


def test_equal_graphs_are_pointed_at_whatever_their_sources_are(reference_graphs):
    basic, dilated = map(outlined, reference_graphs)
    documents = [
        document("a", program(1), basic),
        document("b", program(2), basic),
        document("c", program(3), dilated),
    ]
    (found,) = clusters(documents)
    (match,) = found.pairs[0].graphs
    assert (found.students, match.variant, match.level, match.share) == (("a", "b"), "basic", "exact", 1.0)


def test_the_starters_graph_is_nobodys_own(reference_graphs):
    basic = outlined(reference_graphs[0])
    documents = [document("a", program(1), basic), document("b", program(2), basic)]
    assert clusters(documents, document("starter", program(3), basic)) == ()


def test_a_graph_that_most_have_is_not_pointed_at(reference_graphs):
    basic = outlined(reference_graphs[0])
    assert clusters([document(f"s{i}", program(i), basic) for i in range(12)]) == ()


def test_other_widths_are_ignored_when_asked_to(reference_graphs):
    basic = outlined(reference_graphs[0])
    wider = Outlined({**basic.levels, **dict.fromkeys(("exact", "renamed", "reordered"), "x")}, frozenset())
    documents = [document("a", program(1), basic), document("b", program(2), wider)]
    assert clusters(documents) == ()
    (found,) = clusters(documents, level="widened")
    assert found.pairs[0].graphs[0].level == "widened"


def test_the_order_of_the_class_does_not_matter():
    documents = [document(f"s{i}", program(i % 7)) for i in range(10)]
    assert clusters(documents) == clusters(documents[::-1]) or names(clusters(documents)) == names(
        clusters(documents[::-1])
    )


def test_the_passages_of_a_pair_are_found_with_their_lines():
    source = program(5)
    one = document("a", source)
    other = document("b", "# mine\n\n" + program(6) + source.replace("layer_", "brick_"))
    found = passages(one, other, one.fingerprints & other.fingerprints)
    whole = max(found, key=lambda passage: passage.tokens)
    last = source.count("\n")
    assert (whole.one.file, whole.one.first, whole.one.last) == ("model.py", 2, last)
    assert whole.other.last - whole.other.first == last - 2
    assert whole.one.text == "\n".join(source.splitlines()[1:])


def test_passages_do_not_overlap():
    source = program(5) * 3
    one, other = document("a", source), document("b", source + program(6) + source)
    found = passages(one, other, one.fingerprints & other.fingerprints)
    for first, second in combinations(found, 2):
        assert first.one.last <= second.one.first or second.one.last <= first.one.first


def test_passages_that_moved_to_another_file_are_found():
    source = program(5)
    one = Document("a", (read_text("model.py", [source]),), {})
    other = Document("b", (read_text("main.py", [program(6)]), read_text("net.py", [source])), {})
    found = max(
        passages(one, other, one.fingerprints & other.fingerprints), key=lambda passage: passage.tokens
    )
    assert (found.one.file, found.other.file) == ("model.py", "net.py")


def test_comparing_a_class_costs_no_more_than_its_pairs():
    documents = [document(f"s{i}", program(i % 299)) for i in range(300)]
    assert names(clusters(documents)) == [("s0", "s299")]
    # Four times as many are sixteen times as many pairs.
    assert cost(lambda: clusters(documents)) < 40 * cost(lambda: clusters(documents[:75]))


def test_the_reference_and_the_starter_are_not_alike():
    documents = [
        Document(name, texts_below(REPOSITORY / name), {}) for name in ("submission", "templates/starter")
    ]
    assert clusters(documents) == ()
