"""Honest and borderline works: a network that keeps every rule, and what one idea changes of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from class_networks import Network, Step, basic, convolution, dilated, separable, source
from class_packing import Work

Idea = Callable[[Network], Network]
NAMES = ("Net", "Net", "Net", "CIFAR10Model", "Model1", "CIFAR10Net", "MyCNN", "FinalModel")
FILES = ("model.py", "model.py", "models.py", "network.py", "src/model.py", "models/net.py", "cifar_v3.py")

ALLOWED: Mapping[str, Idea] = {
    "plain": lambda net: net,
    "log_softmax": lambda net: replace(net, returns="F.log_softmax(self.fc(x.mean((2, 3))), dim=1)"),
    "adaptive_pool": lambda net: replace(
        net, head=(*net.head, "self.gap = nn.AdaptiveAvgPool2d(1)"), returns="self.fc(self.gap(x).flatten(1))"
    ),
    "dropout": lambda net: net.after("c1", Step("drop", "nn.Dropout(0.05)")),
    "dropout_in_the_head": lambda net: replace(
        net, returns="self.fc(F.dropout(x.mean((2, 3)), 0.1, self.training))"
    ),
    "residual": lambda net: net.after(
        "c1", _with(convolution("again", *_same(net, "c1")), call="x + {self}(x)")
    ),
    "gate": lambda net: net.after("c1", Step("gate", "", "x * torch.sigmoid(x.mean((2, 3), keepdim=True))")),
    "moves_to_a_gpu": lambda net: net.after("c1", Step("there", "", "x.to(x.device)")),
}
"""What the rules allow, though some graders stumble over it."""

BORDERLINE: Mapping[str, Idea] = {
    "199999_parameters": lambda net: _with_parameters(net, 199_999),
    "200000_parameters": lambda net: _with_parameters(net, 200_000),
    "unused_layer": lambda net: net.after(
        "c1", Step("unused", "nn.Linear(450, 450)", "x", numbers=450 * 450 + 450)
    ),
    "frozen_table": lambda net: net.after(
        "c1", Step("table", "nn.Parameter(torch.zeros(200_000), requires_grad=False)",
                   "x + {self}.mean()", numbers=200_000),
    ),
    "rf_44": lambda _: _field(44),
    "rf_45": lambda _: _field(45),
    "two_strided": lambda net: net.instead_of("s3", convolution("s3", *net.at("s3").channels)),
    "four_strided": lambda net: net.after("s3", convolution("s4", *_same(net, "s3"), stride=2)),
    "jump_by_average_pool": lambda net: _pooled(net, Step("pool", "nn.AvgPool2d(2)", kernel=2, stride=2)),
    "jump_by_max_pool": lambda net: _pooled(
        net, Step("pool", "nn.MaxPool2d(2)", kernel=2, stride=2, breaks=frozenset({"no_max_pool"}))
    ),
    "jump_by_slicing": lambda net: _pooled(net, Step("cut", "", "x[:, :, ::2, ::2]", stride=2)),
    "max_pool_of_stride_1": lambda net: net.after(
        "s1", Step("pool", "nn.MaxPool2d(3, 1, 1)", kernel=3, breaks=frozenset({"no_max_pool"}))
    ),
    "max_pool_functional": lambda net: net.after(
        "s2", Step("pool", "", "F.max_pool2d(x, 3, stride=1, padding=1)", kernel=3,
                   breaks=frozenset({"no_max_pool"})),
    ),
    "strided_5x5": lambda net: net.instead_of(
        "s2", convolution("s2", *net.at("s2").channels, kernel=5, stride=2)
    ),
    "strided_1x1": lambda net: net.instead_of(
        "s1", convolution("s1", *net.at("s1").channels, kernel=1, stride=2)
    ),
    "no_depthwise": lambda net: net.instead_of("d_dw", convolution("d_dw", *_same(net, "d_dw"))).instead_of(
        "m_dw"
    ),
    "depthwise_in_block_1": lambda net: net.after("c1", *separable("early", *_same(net, "c1"))),
    "grouped_by_half": lambda net: net.instead_of(
        "d_dw", convolution("d_dw", *_same(net, "d_dw"), groups=net.at("d_dw").channels[0] // 2)
    ).instead_of("m_dw"),
    "depthwise_of_kernel_1": lambda net: net.instead_of(
        "d_dw", convolution("d_dw", *_same(net, "d_dw"), kernel=1, groups=net.at("d_dw").channels[0])
    ).instead_of("m_dw"),
    "no_dilation": lambda net: net.instead_of("wide", convolution("wide", *_same(net, "wide"))),
    "dilation_too_early": lambda net: net.instead_of("wide").after(
        "s2", convolution("wide", *_same(net, "s2"), dilation=2)
    ),
    "dilation_of_1x1": lambda net: net.instead_of(
        "wide", convolution("wide", *_same(net, "wide"), kernel=1, dilation=2)
    ),
    "hidden_layer": lambda net: replace(
        net,
        head=("self.hidden = nn.Linear({c}, 32)", "self.fc = nn.Linear(32, {classes})"),
        returns="self.fc(F.relu(self.hidden(x.mean((2, 3)))))",
        head_numbers=lambda c: 32 * c + 32 + 330,
        breaks=frozenset({"gap_linear_head"}),
    ),
    "convolution_as_head": lambda net: replace(
        net,
        head=("self.fc = nn.Conv2d({c}, {classes}, 1)",),
        returns="self.fc(x.mean((2, 3), keepdim=True)).flatten(1)",
        breaks=frozenset({"gap_linear_head"}),
    ),
    "batch_norm_in_the_head": lambda net: replace(
        net,
        head=(*net.head, "self.bn = nn.BatchNorm1d({c})"),
        returns="self.fc(self.bn(x.mean((2, 3))))",
        head_numbers=lambda c: 12 * c + 10,
        breaks=frozenset({"gap_linear_head"}),
    ),
    "dropout_always_on": lambda net: net.after(
        "s2", Step("drop", "", "F.dropout(x, 0.1)", breaks=frozenset({"same_graph_in_eval"}))
    ),
    "noise_in_training": lambda net: net.after(
        "s2",
        Step("noise", "", "x + 0.1 * torch.randn_like(x) if self.training else x",
             breaks=frozenset({"same_graph_in_eval"})),
    ),
    "looks_at_its_batch_mates": lambda net: net.after(
        "s2", Step("mates", "", "x - x.mean(0, keepdim=True)", breaks=frozenset({"same_graph_in_eval"}))
    ),
    "one_rule_after_another": lambda net: _with_parameters(
        _pooled(net, Step("pool", "nn.MaxPool2d(2)", kernel=2, stride=2, breaks=frozenset({"no_max_pool"}))),
        250_000,
    ).instead_of("wide", convolution("wide", *_same(net, "wide"))),
}  # fmt: skip
"""What lies at the edge of a rule of variant basic, on either side of it."""

DILATED: Mapping[str, Idea] = {
    "dilated": lambda net: net,
    "dilated_log_softmax": ALLOWED["log_softmax"],
    "dilated_then_smaller": lambda net: net.instead_of(
        "w8", convolution("w8", *_same(net, "w8"), dilation=4)
    ).after("w8", convolution("w9", *_same(net, "w8"), dilation=8)),
    "dilated_and_strided": lambda net: net.instead_of(
        "c1", convolution("c1", *net.at("c1").channels, stride=2)
    ),
    "dilated_max_pool": lambda net: net.after(
        "c1", Step("pool", "nn.MaxPool2d(3, 1, 1)", kernel=3, breaks=frozenset({"no_max_pool"}))
    ),
}

HONEST = (*ALLOWED, "dilated", "dilated_log_softmax")
EDGES = (*BORDERLINE, "no_coarse_dropout")

SCRIPTS = (
    "\n\ndevice = torch.device('cuda')\nmodel = {name}().to(device)\n"
    "print(sum(p.numel() for p in model.parameters()))\n",
    "\n\nfrom torchsummary import summary\n\nsummary({name}(), (3, 32, 32))\n",
    "\n\nfrom torchvision import datasets\n\n"
    "train_set = datasets.CIFAR10('./data', train=True, download=True)\n"
    "for epoch in range(20):\n    train(epoch)\n",
)
"""What stands below the model in files that are their author's whole training."""

WITH_A_MANIFEST = ("folder", ".zip", ".tar.gz", "in a folder.zip")
"""Ways in which a manifest is where it is looked for."""

WITHOUT_HOLES = """
[[variants.basic.recipe.augmentation]]
name = "HorizontalFlip"
p = 0.5

[[variants.basic.recipe.augmentation]]
name = "Affine"
p = 0.5
"""


def honest(rng: Random) -> Work:
    """Make a work that keeps every rule, in one of the ways that are allowed."""
    idea = rng.choice(sorted(ALLOWED))
    network = ALLOWED[idea](basic(rng))
    script = rng.choice(SCRIPTS) if rng.random() < 0.25 else ""
    return handed_in(idea, network, rng, script=script)


def honest_dilated(rng: Random) -> Work:
    """Make a work that answers variant dilated, and keeps every rule or breaks one."""
    idea = rng.choice(sorted(DILATED))
    return handed_in(idea, DILATED[idea](dilated(rng)), rng)


def borderline(rng: Random, idea: str) -> Work:
    """Make a work at the edge of a rule."""
    if idea in BORDERLINE:
        return handed_in(idea, BORDERLINE[idea](basic(rng)), rng)
    return handed_in(idea, replace(basic(rng), breaks=frozenset({"augmentation"})), rng, recipe=WITHOUT_HOLES)


def handed_in(idea: str, network: Network, rng: Random, script: str = "", recipe: str = "") -> Work:
    """Write a network down as its student would, with the truth about it.

    `script` is what stands below it; `recipe` is what its manifest says of the training.
    """
    name, fixed = rng.choice(NAMES), ""
    files = {rng.choice(FILES): source(network, rng, name) + script.format(name=name)}
    if network.variant != "basic" or recipe:
        (text,) = files.values()
        manifest = f'[variants.{network.variant}]\nfile = "model.py"\nclass = "{name}"\n{recipe}'
        files, fixed = {"model.py": text, "submission.toml": manifest}, rng.choice(WITH_A_MANIFEST)
    failed = network.failed
    return Work(
        idea,
        "honest" if idea in HONEST else "borderline",
        files,
        "failed" if failed else "passed",
        failed,
        parameters=network.parameters,
        field_px=network.field_px,
        fixed=fixed,
    )


# Private functions


def _same(net: Network, name: str) -> tuple[int, int]:
    """As many channels out as in, those that a step gives."""
    channels = net.at(name).channels[1]
    return channels, channels


def _with(step: Step, **change: str) -> Step:
    return replace(step, **change)


def _with_parameters(net: Network, number: int) -> Network:
    """Bring a network to an exact number of parameters."""
    more = number - net.parameters
    return net.after(
        "c1", Step("more", f"nn.Parameter(torch.zeros({more}))", "x + {self}.mean()", numbers=more)
    )


def _pooled(net: Network, step: Step) -> Network:
    """Let something else than the third strided convolution raise the jump to 8."""
    breaks = step.breaks | {"downsampling"}
    return net.instead_of("s3", convolution("s3", *net.at("s3").channels), replace(step, breaks=breaks))


def _field(px: int) -> Network:
    """Build a network of variant basic with a receptive field of exactly 44 or 45 px."""
    return Network(
        (
            convolution("c1", 3, 16, kernel=5),
            convolution("c2", 16, 16, kernel=px - 42),
            convolution("s1", 16, 16, stride=2),
            *separable("d", 16, 32, kernel=5),
            convolution("s2", 32, 32, stride=2),
            convolution("s3", 32, 32, stride=2),
            convolution("wide", 32, 32, kernel=2, dilation=2),
        )
    )
