"""What breaks a rule, in as many forms as are known, and what its network needs in the constructor.

Each is a line of Python for a map ``{x}`` of ``{c}`` channels, ``{h}`` rows and ``{w}`` columns.
"""

POOLS = (
    "{x} = F.max_pool2d({x}, 4)",
    "{x} = F.adaptive_max_pool2d({x}, 4)",
    "{x} = -F.max_pool2d(-{x}, 4)",
    "{x} = F.max_pool3d({x}, (1, 4, 4))",
    "{x} = F.max_pool1d({x}.flatten(2), 16)[..., None].expand(-1, -1, -1, 4)[:, :, :4]",
    "{x} = {x}.unflatten(3, (4, 4)).unflatten(2, (4, 4)).amax((3, 5))",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).max(-1)[0]",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).sort(-1)[0][..., -1]",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).topk(2, -1)[0].mean(-1)",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).median(-1)[0]",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).kthvalue(16, -1)[0]",
    "{x} = F.unfold({x}, 4, stride=4).unflatten(1, (-1, 16)).amax(2).unflatten(2, (4, 4))",
    "{x} = F.pixel_unshuffle({x}, 4).unflatten(1, (-1, 16)).amax(2)",
)
"""Make 4 x 4 maps of 16 x 16 ones by a maximum."""

COPIES = (
    "{x}.roll({i}, 2)",
    "{x}.roll(({i}, {j}), (2, 3))",
    "F.pad({x}, (3, 3, 3, 3))[:, :, {i}:{i} + {h}, {j}:{j} + {w}]",
    "F.pad({x}, (0, 0, {i}, -{i}))",
    "{x}[:, :, [*range({i}, {h}), *range({i})]]",
    "{x}.index_select(2, (torch.arange({h}) + {i}) % {h})",
    "torch.cat([{x}[:, :, {i}:], {x}[:, :, :{i}]], 2)",
    "torch.eye({h}).roll({i}, 0) @ {x}",
    "torch.einsum('nchw,wv->nchv', {x}, torch.eye({w}).roll({j}, 0))",
    "F.conv2d({x}, torch.eye({c})[:, :, None, None] * torch.eye(9)[{i}].view(3, 3), padding=1)",
    "F.conv2d({x}, torch.eye(9)[{i}].view(1, 1, 3, 3).repeat({c}, 1, 1, 1), padding=1, groups={c})",
    "F.avg_pool2d(F.pad({x}, (3, 3, 3, 3))[:, :, {i}:{i} + {h}, {j}:{j} + {w}], 1)",
    "F.unfold({x}, 3, padding=1).unflatten(1, (-1, 9))[:, :, {i}].unflatten(2, ({h}, {w}))",
    "{x}.unfold(2, {h}, 1)[:, :, 0].transpose(2, 3).roll({i}, 2)",
    "{x}.flip(2)",
    "{x}.rot90({i}, (2, 3))",
    "{x}.transpose(2, 3)",
)
"""Expressions of a map whose positions stand elsewhere; i and j are 1 or 2."""

LARGER = (
    "torch.maximum({a}, {b})",
    "torch.max({a}, {b})",
    "torch.fmax({a}, {b})",
    "-torch.minimum(-{a}, -{b})",
    "torch.where({a} > {b}, {a}, {b})",
    "torch.where({b}.gt({a}).logical_not(), {a}, {b})",
    "({a} > {b}) * {a} + ({a} <= {b}) * {b}",
    "torch.clamp({a}, min={b})",
    "torch.clamp_min({a}, {b})",
    "torch.stack([{a}, {b}]).amax(0)",
    "torch.stack([{a}, {b}], -1).max(-1)[0]",
    "torch.stack([{a}, {b}], -1).sort(-1)[0][..., 1]",
    "torch.stack([{a}, {b}], 1).flatten(1, 2).unflatten(1, (2, -1)).amax(1)",
    "torch.stack([{a}, {b}]).topk(1, 0)[0][0]",
    "torch.stack([{a}, {b}]).cummax(0)[0][1]",
    "torch.stack([{a}, {b}]).quantile(1.0, dim=0)",
    "torch.stack([{a}, {b}]).gather(0, torch.stack([{a}, {b}]).argmax(0, keepdim=True))[0]",
    "F.max_pool1d(torch.stack([{a}, {b}], -1).flatten(1, 3), 2).view_as({a})",
    "torch.lerp({a}, {b}, ({b} > {a}).float())",
    "{a}.where({a} > {b}, {b})",
    "(torch.stack([{a}, {b}]) * (1e4 * torch.stack([{a}, {b}])).softmax(0)).sum(0)",
    "(1e2 * torch.stack([{a}, {b}])).logsumexp(0) / 1e2",
    "torch.logaddexp(50 * {a}, 50 * {b}) / 50",
    "torch.log(torch.exp(30 * {a}) + torch.exp(30 * {b})) / 30",
    "torch.linalg.vector_norm(torch.stack([F.relu({a}), F.relu({b})]), 40, 0)",
    "(F.relu({a}) ** 20 + F.relu({b}) ** 20 + 1e-9) ** 0.05",
)
"""Expressions of the larger one, or nearly so, of two values."""

WINDOWS = (
    "t = F.pad({x}, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)",
    "t = torch.stack([{x}.roll((i, j), (2, 3)) for i in (-1, 0, 1) for j in (-1, 0, 1)], -1)",
    "t = F.unfold({x}, 3, padding=1).unflatten(1, (-1, 9)).unflatten(3, ({h}, {w})).permute(0, 1, 3, 4, 2)",
)
"""Lay the nine neighbours of every position along a last dimension."""
SMOOTH = (
    "{x} = (t * (1e3 * t).softmax(-1)).sum(-1)",
    "{x} = ((1e3 * t).softmax(-1)[..., None, :] @ t[..., None])[..., 0, 0]",
    "{x} = torch.einsum('nchwk,nchwk->nchw', t, (1e3 * t).softmax(-1))",
    "{x} = F.scaled_dot_product_attention(1e3 + 0 * t[..., :1, None], t[..., None], t[..., None])[..., 0, 0]",
    "{x} = (50 * t).logsumexp(-1) / 50",
    "{x} = (50 * t).logcumsumexp(-1)[..., -1] / 50",
    "{x} = torch.log(torch.exp(30 * t).mean(-1)) / 30",
    "{x} = (t.pow(20).mean(-1) + 1e-9) ** 0.05",
    "{x} = (t.pow(20).cumsum(-1)[..., -1] + 1e-9) ** 0.05",
    "{x} = torch.linalg.vector_norm(t, 30, -1)",
    "{x} = t.pow(9).sum(-1) / (t.pow(8).sum(-1) + 1e-9)",
    "{x} = (t * torch.exp(20 * t)).sum(-1) / torch.exp(20 * t).sum(-1)",
    "{x} = 1 - (1 - t.tanh()).prod(-1)",
)
"""Take a smooth maximum of nine neighbours that are not negative."""

HEADS = (
    "return self.fc({x}[:, :, 2].mean(2))",
    "return self.fc({x}[:, :, :, 1].mean(2))",
    "return self.fc({x}[:, :, 1:3, 1:3].mean((2, 3)))",
    "return self.fc({x}[:, :, ::2].mean((2, 3)))",
    "return self.fc({x}[:, :, 0, 0])",
    "return self.fc(F.avg_pool2d({x}, 2)[:, :, 0, 0])",
    "return self.fc(F.avg_pool2d({x}, 3).flatten(1))",
    "return self.fc(F.adaptive_avg_pool2d({x}, 2)[:, :, 1].mean(2))",
    "return self.fc(F.adaptive_avg_pool2d({x}[:, :, 1:], 1).flatten(1))",
    "return self.fc({x}.flatten(2) @ self.weight)",
    "return self.fc(torch.einsum('ncp,p->nc', {x}.flatten(2), self.weight))",
    "return self.fc(F.linear({x}.flatten(2), self.weight[None])[:, :, 0])",
    "return self.fc(({x}.flatten(2) * self.weight.softmax(0)).sum(2))",
    "return self.fc(({x}.flatten(2) * {x}.flatten(2).mean(1, keepdim=True).softmax(2)).sum(2))",
    "return self.fc(({x}.flatten(2) * {x}.flatten(2).softmax(2)).sum(2))",
    "t = {x}.flatten(2).mT; "
    "return self.fc(F.scaled_dot_product_attention(self.query.expand(t.size(0), 1, 64), t, t)[:, 0])",
    "return self.fc(F.conv2d({x}, self.kernel, groups=64).flatten(1))",
    "return self.fc(F.conv2d({x}, self.kernel, groups=64).mean((2, 3)))",
    "return self.fc(F.adaptive_avg_pool2d(F.conv2d({x}, self.kernel, groups=64), 1).flatten(1))",
    "return self.fc({x}.square().mean((2, 3)).sqrt())",
    "return self.fc({x}.mean((2, 3)).relu())",
    "return self.fc({x}.mean((2, 3)) + {x}[:, :, 0, 0])",
    "return self.fc({x}.mean((2, 3))) + self.fc({x}[:, :, 0, 0])",
    "return self.fc({x}.mean((2, 3))) * self.fc({x}.mean((2, 3))).sigmoid()",
    "return self.flat({x}.flatten(1))",
    "return self.flat({x}.flatten(1)) + self.fc({x}.mean((2, 3)))",
    "return self.fc({x}.median(3)[0].mean(2))",
    "return self.fc({x}.logsumexp((2, 3)))",
    "return self.fc(({x} * self.weight.view(4, 4)).mean((2, 3)))",
    "return self.fc(({x} * torch.linspace(0, 1, 4)).mean((2, 3)))",
    "return self.fc(F.relu({x}[:, :, 1:3, 1:3]).mean((2, 3)))",
    "return self.fc(self.few({x}.flatten(1))[:, :, None, None].expand(-1, -1, 4, 4).mean((2, 3)))",
)
"""Heads that are no global average and one Linear, of 64 maps of 4 x 4."""
HEAD_SETUP = (
    "self.weight = nn.Parameter(torch.rand(16))",
    "self.query = nn.Parameter(torch.randn(1, 1, 64))",
    "self.kernel = nn.Parameter(torch.randn(64, 1, 4, 4))",
    "self.flat, self.few = nn.Linear(1024, 10), nn.Linear(1024, 64)",
)

MODES = (
    "{x} = self.one({x}) if self.training else self.two({x})",
    "{x} = self.one({x}) if self.training else self.one({x}).sin()",
    "{x} = {x} + self.one({x}) if self.training else {x}",
    "{x} = {x} if self.training else {x}.flip(1)",
    "{x} = {x} * (1.0 if self.training else 2.0)",
    "{x} = F.relu({x}) if self.training else F.leaky_relu({x}, 0.3)",
    "t = self.mean if self.training else self.mean2; "
    "{x} = F.batch_norm({x}, t, self.var, training=self.training)",
    "{x} = F.batch_norm({x}, self.mean, self.var, training=self.training, momentum=0.0)",
    "{x} = F.batch_norm({x}, self.mean, self.var, training=self.training, momentum=1.0)",
    "{x} = F.batch_norm({x}, self.mean, self.var, training=not self.training)",
    "{x} = {x} + F.dropout(self.one({x}), 1 - 1e-12, self.training)",
    "{x} = {x} + F.dropout(self.one({x}), 0.9999, self.training)",
    "{x} = {x} + F.dropout(self.one({x}), 1.0, self.training)",
    "{x} = {x} - {x}.mean(0)",
    "{x} = {x} - {x}.mean(0, keepdim=True)",
    "{x} = {x} - {x}.flip(0)",
    "{x} = {x} + {x}.roll(1, 0)",
    "{x} = {x} * {x}.std(0, unbiased=False)",
    "{x} = {x} + {x}.cumsum(0) * 0.1",
    "{x} = {x} * {x}.softmax(0)",
    "{x} = {x} - ({x}.new_ones({x}.size(0)).sum() > 32).float() * {x}.mean(0)",
    "{x} = {x} - ({x}.new_ones({x}.size(0)).sum() > 60).float() * {x}.flip(0)",
    "{x} = {x} * (1 + {x}.size(0) / 100)",
    "{x} = {x} + {x}[:1]",
    "{x} = {x} + torch.rand_like({x})",
    "{x} = F.dropout({x}, 0.3, True)",
    "{x} = F.dropout({x}, 0.3, not self.training)",
    "{x} = {x} * torch.bernoulli(torch.full_like({x}, 0.5))",
)
"""Lines after which evaluation is not what was trained, or sees more than one image; 64 maps of 4 x 4."""
MODE_SETUP = (
    "self.one, self.two = nn.Conv2d(64, 64, 1), nn.Conv2d(64, 64, 1)",
    "self.register_buffer('mean', torch.zeros(64)); self.register_buffer('var', torch.ones(64))",
    "self.register_buffer('mean2', torch.randn(64))",
)

SMALLER = (
    "t = torch.eye(2).repeat_interleave(2, 1) / 2; {x} = t @ {x} @ t.mT",
    "{x} = self.mix @ {x} @ self.mix.mT",
    "{x} = torch.einsum('nchw,ih,jw->ncij', {x}, self.mix, self.mix)",
    "{x} = {x}[:, :, ::2, ::2]",
    "{x} = F.avg_pool2d({x}, 2)",
    "{x} = F.adaptive_avg_pool2d({x}, 2)",
    "{x} = F.interpolate({x}, scale_factor=0.5)",
    "{x} = F.interpolate({x}, size=(2, 2), mode='area')",
    "{x} = F.conv2d({x}, torch.ones(64, 1, 2, 2) / 4, stride=2, groups=64)",
    "{x} = self.fold(F.pixel_unshuffle({x}, 2))",
    "{x} = self.fold(torch.cat([{x}[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1))",
    "{x} = {x}.unflatten(3, (2, 2)).unflatten(2, (2, 2)).mean((3, 5))",
)
"""Make 2 x 2 maps of 64 maps of 4 x 4, by anything but a 3 x 3 convolution of stride 2."""
SMALLER_SETUP = ("self.mix = nn.Parameter(torch.randn(2, 4))", "self.fold = nn.Conv2d(256, 64, 1)")

TABLES = (
    ("self.register_buffer('table', torch.randn(1, 640, 16, 16))", "b = self.table"),
    ("self.table = torch.randn(1, 640, 16, 16)", "b = self.table"),
    ("self.table = nn.Parameter(torch.randn(1, 640, 16, 16), requires_grad=False)", "b = self.table"),
    ("self.register_buffer('table', torch.randn(1, 640, 16, 16).double())", "b = self.table.float()"),
    ("self.register_buffer('table', torch.randn(1, 1280, 16, 16).half())", "b = self.table.float()[:, 640:]"),
    ("self.register_buffer('table', torch.randn(1, 320, 16, 16, dtype=torch.complex64))",
     "b = torch.view_as_real(self.table).permute(0, 1, 4, 2, 3).flatten(1, 2)"),
    ("self.register_buffer('table', torch.randint(0, 2**62, (1, 640, 16, 16)))", "b = self.table % 7 / 7"),
    ("self.register_buffer('table', torch.randint(0, 2**62, (1, 260, 16, 16)))",
     "b = torch.cat([self.table // 256**i % 256 / 256 for i in range(7)], 1)[:, :640]"),
    ("self.register_buffer('table', torch.randint(0, 255, (1, 3200, 16, 16), dtype=torch.uint8))",
     "b = self.table.float().unflatten(1, (5, 640)).mean(1)"),
    ("self.register_buffer('table', torch.randn(163840)); self.register_buffer('one', torch.ones(163840))",
     "b = F.batch_norm(torch.zeros(2, 163840), self.table, self.one)[:1].view(1, 640, 16, 16)"),
    ("self.register_buffer('table', torch.randn(163840)); self.register_buffer('one', torch.ones(163840))",
     "b = F.batch_norm(torch.ones(2, 163840), self.one, self.table.square())[:1].view(1, 640, 16, 16)"),
    ("self.register_buffer('table', torch.randn(163840)); self.register_buffer('one', torch.ones(163840))",
     "b = F.instance_norm(torch.zeros(1, 163840, 2), self.table, self.one, use_input_stats=False)[..., 0]; "
     "b = b.view(1, 640, 16, 16)"),
    ("self.norm = nn.BatchNorm1d(163840, affine=False); self.norm.running_mean.normal_()",
     "b = self.norm.eval()(torch.zeros(2, 163840))[:1].view(1, 640, 16, 16)"),
)  # fmt: skip
"""Tables of 640 maps of 16 x 16, or as many bytes, and how they are read."""
