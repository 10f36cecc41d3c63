"""Networks as lists of layers, and the mistakes that students make in them."""

import random
from dataclasses import dataclass, replace

ALL = -1
"""Groups of a depthwise convolution: as many as it has channels."""


@dataclass(frozen=True)
class L:
    """A layer: a convolution to `out` channels, or a pool, which keeps them.

    `beside` is the kernel of a second convolution of the same stride, to which its result is added, and
    `beside_d` its dilation.
    """

    name: str
    out: int = 0
    k: int = 3
    s: int = 1
    d: int = 1
    g: int = 1
    kind: str = "conv"
    beside: int = 0
    beside_d: int = 1


@dataclass(frozen=True)
class Net:
    layers: tuple[L, ...]
    head: str = "average"

    def place(self, name):
        return next(i for i, layer in enumerate(self.layers) if layer.name == name)

    def put(self, at, *layers, gone=1):
        return replace(self, layers=(*self.layers[:at], *layers, *self.layers[at + gone :]))

    def give(self, name, **changes):
        if name.endswith("_cut"):  # it has the stride of the layer that it stands beside
            name, changes = name.removesuffix("_cut"), {"beside_d": changes["d"]} if "d" in changes else {}
        at = self.place(name)
        return self.put(at, replace(self.layers[at], **changes))


def pair(name, c_in, out, **options):
    return L(f"{name}_dw", c_in, g=ALL, **options), L(f"{name}_pw", out, k=1)


GOOD = {
    "basic": Net((
        L("c1", 16), L("c2", 16), L("s1", 32, s=2), *pair("p1", 32, 32), L("s2", 48, s=2),
        *pair("p2", 48, 48), L("s3", 64, s=2), L("dil", 64, d=2),
    )),
    "dilated": Net((
        L("c1", 16), L("c2", 24), *pair("p1", 24, 32, d=2), L("d2", 32, d=2), L("d3", 48, d=4),
        L("d4", 48, d=4), *pair("p2", 48, 64, d=8),
    )),
}  # fmt: skip


def drawn(net, sketch):
    """Draw a network as the graph that it would be exported as."""
    x = "x"
    for layer in net.layers:
        channels, size = sketch.shapes[x][1:3]
        if layer.kind == "conv":
            groups = channels if layer.g == ALL else layer.g
            options = {"k": layer.k, "s": layer.s, "d": layer.d, "g": groups}
            y = sketch.conv(x, layer.out, layer=layer.name, **options)
            if layer.beside:
                cut = sketch.conv(
                    x, layer.out, k=layer.beside, s=layer.s, d=layer.beside_d, layer=f"{layer.name}_cut"
                )
                y = sketch.call("add.Tensor", y, cut, layer=f"{layer.name}_sum")
            x = y
            continue
        size = (size - layer.k) // layer.s + 1
        shape = ("batch", channels, size, size)
        x = sketch.call(
            f"{layer.kind}_pool2d", x, [layer.k] * 2, [layer.s] * 2, shape=shape, layer=layer.name
        )
    return sketch.architecture(head(net.head, x, sketch))


def head(kind, x, sketch):
    n, c, *_ = sketch.shapes[x]
    if kind == "flatten":
        return sketch.linear(sketch.flatten(x), 10)
    if kind == "quarters":
        x = sketch.call("adaptive_avg_pool2d", x, [2, 2], shape=(n, c, 2, 2), layer="gap")
        return sketch.linear(sketch.flatten(x), 10)
    if kind == "maximum":
        x = sketch.call("adaptive_max_pool2d", x, [1, 1], shape=(n, c, 1, 1), layer="gap")
        return sketch.linear(sketch.flatten(x), 10)
    x = sketch.gap(x)
    x = sketch.flatten(sketch.conv(x, c, k=1, layer="last") if kind == "convolution" else x)
    return sketch.linear(sketch.linear(x, 32, layer="hidden") if kind == "hidden" else x, 10)


# Mistakes: what a student does to a network that passes


def of(net, wanted):
    return [layer for layer in net.layers if wanted(layer)]


def chosen(net, dice, wanted):
    return dice.choice(of(net, wanted))


def is_strided(layer):
    return layer.kind == "conv" and layer.s > 1


def is_plain(layer):
    return layer.kind == "conv" and layer.k == 3 and layer.s == 1 and layer.g == 1


def pool_instead(net, dice, kind):
    if not of(net, is_strided):
        at = dice.randrange(1, len(net.layers))
        return net.put(at, L(f"{kind}_pool", k=2, s=2, kind=kind), gone=0)
    at = net.place(chosen(net, dice, is_strided).name)
    if dice.random() < 0.5:
        return net.put(at, L(f"{kind}_pool", k=2, s=2, kind=kind))
    later = dice.randrange(at, len(net.layers)) + 1
    return net.give(net.layers[at].name, s=1).put(later, L(f"{kind}_pool", k=2, s=2, kind=kind), gone=0)


def max_pool(net, dice):
    return pool_instead(net, dice, "max")


def average_pool(net, dice):
    return pool_instead(net, dice, "avg")


def pool_of_stride_1(net, dice):
    return net.put(dice.randrange(1, len(net.layers)), L("same", k=1, kind="max"), gone=0)


def no_dilation(net, dice):
    return net.give(chosen(net, dice, lambda one: one.d > 1).name, d=1)


def dilation_elsewhere(net, dice):
    late = chosen(net, dice, lambda one: one.d > 1)
    early = chosen(net, dice, lambda one: one.k == 3 and one.d == 1 and one.kind == "conv")
    return net.give(late.name, d=1).give(early.name, d=late.d)


def other_order(net, dice):
    dilated = of(net, lambda one: one.d > 1)
    for layer, d in zip(dilated, dice.sample([one.d for one in dilated], len(dilated)), strict=True):
        net = net.give(layer.name, d=d)
    return net


def wrong_groups(net, dice):
    return net.give(chosen(net, dice, lambda one: one.g == ALL).name, g=dice.choice([1, 2, 4]))


def grouped_pointwise(net, dice):
    return net.give(chosen(net, dice, lambda one: one.k == 1).name, g=2)


def too_wide(net, dice):
    return scaled(net, dice.choice([2, 3, 4]))


def other_kernel(net, dice):
    strided = of(net, is_strided)
    if not strided:
        return net.give(chosen(net, dice, is_plain).name, k=1, d=1, s=2)
    return net.give(dice.choice(strided).name, k=dice.choice([1, 5, 7]))


def other_stride(net, dice):
    return net.give(chosen(net, dice, lambda one: is_strided(one) or is_plain(one)).name, s=4)


def shortcut(net, dice):
    layer = chosen(net, dice, lambda one: is_strided(one) and one.g == 1)
    return net.give(layer.name, beside=dice.choice([1, 3]))


def one_stride_less(net, dice):
    strided = of(net, is_strided)
    return net.give(dice.choice(strided).name, s=1) if strided else net


def one_stride_more(net, dice):
    return net.give(chosen(net, dice, is_plain).name, s=2)


def missing_block(net, dice):
    at = dice.randrange(2, len(net.layers) - 2)
    cut = net.put(at, gone=2)
    return cut if fits(cut) else net


def pair_in_block_1(net, dice):
    return net.put(1, *pair("early", net.layers[0].out, net.layers[0].out), gone=0)


def no_pairs(net, dice):
    for layer in of(net, lambda one: one.g == ALL):
        net = net.give(layer.name, g=1)
    return net


def small_field(net, dice):
    for layer in of(net, lambda one: is_plain(one) and one.d == 1)[1:]:
        net = net.give(layer.name, k=1)
    return net.give(chosen(net, dice, lambda one: one.d > 1).name, k=1, d=1)


def other_head(net, dice):
    return replace(net, head=dice.choice(["flatten", "quarters", "maximum", "hidden", "convolution"]))


MISTAKES = [
    max_pool, average_pool, pool_of_stride_1, no_dilation, dilation_elsewhere, other_order, wrong_groups,
    grouped_pointwise, too_wide, other_kernel, other_stride, shortcut, one_stride_less, one_stride_more,
    missing_block, pair_in_block_1, no_pairs, small_field, other_head,
]  # fmt: skip


def fits(net):
    """Tell whether torch would build a network and run it: groups that divide channels, maps that last."""
    channels, size = 3, 32
    for layer in net.layers:
        size = -(-size // layer.s)
        groups = channels if layer.g == ALL else layer.g
        if layer.kind == "conv" and (channels % groups or layer.out % groups):
            return False
        channels = layer.out if layer.kind == "conv" else channels
    return size > 1


def scaled(net, by):
    layers = [replace(one, out=max(4, int(one.out * by) // 4 * 4)) for one in net.layers]
    return replace(net, layers=tuple(layers))


def wrong(variant, seed):
    """Make one to four mistakes in a network that passes."""
    dice = random.Random(seed)
    net = GOOD[variant]
    for mistake in dice.sample(MISTAKES, dice.choice([1, 1, 2, 3, 4])):
        try:
            changed = mistake(net, dice)
        except IndexError:  # another mistake has left nothing to do this one to
            continue
        net = changed if fits(changed) else net
    return net
