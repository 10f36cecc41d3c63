"""Whoever does what the list says, word for word and in its order, has a network that passes.

A network is a list of layers here, and advice is text: each sentence is one change of that list. Mistakes are
drawn at random and put into networks that pass, one or several at once.
"""

import re
from dataclasses import replace

import pytest
from mistakes import ALL, GOOD, L, Net, drawn, scaled, wrong

from harness.rules.judging import judge

ROUNDS = 3


# Advice: what a student makes of a sentence

NUMBER = {"kernel": "k", "stride": "s", "dilation": "d"}


def given(text):
    """Read "kernel 3, stride 2 and padding 1", or "groups=32"."""
    found = {NUMBER[word]: int(n) for word, n in re.findall(r"(kernel|stride|dilation) (\d+)", text)}
    groups = re.search(r"groups=(\d+)", text)
    # Who writes groups = in_channels keeps to it when the channels change.
    return found | ({"g": ALL if int(groups[1]) > 1 else 1} if groups else {})


def behind(net, name, text):
    """Add what a sentence describes after a layer."""
    name = name.removesuffix("_sum")
    kernel = int(re.match(r"(\d+)x\1 convolution", text)[1])
    at = net.place(name) + 1
    out = next(layer.out for layer in net.layers[at - 1 :: -1] if layer.kind == "conv")
    new = f"new{sum(layer.name.startswith('new') for layer in net.layers)}_after_{name}"
    return net.put(at, replace(L(new, out, k=kernel), **given(text)), gone=0)


def in_place(net, name, text):
    at = net.place(name)
    return behind(net, net.layers[at - 1].name, text).put(at + 1)


def without_branch(net, name):
    """Leave out the second convolution of a sum, or the first in favour of the second."""
    if name.endswith("_cut"):
        return net.give(name.removesuffix("_cut"), beside=0)
    return net.give(
        name, k=net.layers[net.place(name)].beside, d=net.layers[net.place(name)].beside_d, g=1, beside=0
    )


def as_pair(net, name):
    at = net.place(name)
    before = next(layer.out for layer in net.layers[at - 1 :: -1] if layer.kind == "conv")
    layer = net.layers[at]
    return net.put(at, replace(layer, out=before, g=ALL), L(f"{name}_pw", layer.out, k=1))


SENTENCES = (
    (
        r"Remove (\w+) and give (\w+) stride (\d)",
        lambda n, gone, c, s: n.put(n.place(gone)).give(c, s=int(s)),
    ),
    (r"Remove (\w+)\.", lambda n, name: n.put(n.place(name))),
    (r"Replace (\w+) by a (3x3 .+?)\.", in_place),
    (r"Replace (\w+) by a depthwise \dx", as_pair),
    (r"Add a (.+?) after (\w+)\.", lambda n, text, name: behind(n, name, text)),
    (r"dilation (\d+) \(and padding \d+\) in (\w+)", lambda n, d, name: n.give(name, d=int(d))),
    (
        r"[gG]ive (\w+) ((?:kernel|stride|dilation|groups).+?)[.:]",
        lambda n, name, t: n.give(name, **given(t)),
    ),
    (r"With (\d+)/16 of the channels", lambda n, share: scaled(n, int(share) / 16)),
    (r"Leave out (\w+) and the sum", without_branch),
    (r"End in self.gap", lambda n: replace(n, head="average")),
    (r"After (\w+), end in self.gap", lambda n, last: Net(n.layers[: n.place(last) + 1])),
)
ORDER = r"Order the dilations so that they grow: give (.+), and padding"


def followed(net, advice):
    """Do what a sentence says, as often as it says it; one that nobody can follow is an error of the list."""
    advice = re.sub(r" \(model\.py:\d+\)", "", advice)
    if order := re.search(ORDER, advice):
        for name, d in re.findall(r"(\w+) dilation (\d+)", order[1]):
            net = net.give(name, d=int(d))
        return net
    done = 0
    while advice:
        found = [(match.start(), -match.end(), change, match)
                 for pattern, change in SENTENCES if (match := re.search(pattern, advice))]  # fmt: skip
        if not found:
            break
        _, _, change, match = min(found, key=lambda one: one[:2])
        net, advice, done = change(net, *match.groups()), advice[match.end() :], done + 1
    assert done, advice
    return net


@pytest.fixture
def asked(sketch, assignment, probe, network_of):
    """Judge a network: what did not pass, in the order of the list."""

    def findings(net, variant):
        fresh = type(sketch)()
        network = network_of(drawn(net, fresh), assignment, variant, probe)
        found, _, _ = judge(network, assignment.every_rule(), variant)
        return sorted((f for f in found if f.status != "passed"), key=lambda f: f.step)

    return findings


def rounds(net, variant, asked):
    """Follow the list until the network passes; return how often that took, and all that was said."""
    said = []
    for number in range(ROUNDS + 1):
        left = asked(net, variant)
        said.append([f"{f.rule} {f.status} {f.actual}: {f.help}" for f in left])
        if not left:
            return number, said
        for finding in left:
            if finding.status == "failed" and not finding.help.startswith("Nothing else"):
                net = followed(net, finding.help)
    return None, said


@pytest.mark.parametrize("variant", GOOD)
def test_the_networks_pass_without_a_mistake(variant, asked):
    assert asked(GOOD[variant], variant) == []


@pytest.mark.parametrize(("variant", "seed"), [(v, seed) for v in GOOD for seed in range(4)])
def test_following_the_advice_leads_to_a_pass(variant, seed, asked):
    number, said = rounds(wrong(variant, seed), variant, asked)
    assert number is not None, said


@pytest.mark.slow
@pytest.mark.parametrize("variant", GOOD)
def test_following_the_advice_leads_to_a_pass_whatever_the_mistakes(variant, asked):
    lost = {}
    for seed in range(400):
        number, said = rounds(wrong(variant, seed), variant, asked)
        if number is None:
            lost[seed] = said
    assert lost == {}
