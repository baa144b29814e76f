"""The denoiser: a UNet with residual blocks, attention at chosen sizes and an embedding of the step.

The network of arXiv 2305.15956, appendix on implementation (the one of Dhariwal and Nichol, arXiv 2105.05233), and smaller
ones by the same plan. The small one differs where it saves a CPU's time:
- `patch` folds patch x patch pixels into channels before the first layer and back after the last;
- `resample` "plain" halves and doubles sizes without the two convolutions of a residual block;
- `data_deviation` has the layers estimate the clean image beside a share of the noisy one (the preconditioning of
  arXiv 2206.00364, table 1), which is smoother than noise and so is learned sooner. What comes out is noise all the same.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from diffusion import Schedule

# What each named network is made of. "ddad" and "ddad-s" are the paper's at 256 x 256; "small" is for a CPU.
CONFIGURATIONS = {
    "ddad": dict(size=256, channels=64, multipliers=[1, 1, 2, 2, 4, 4], blocks=2, attention=[32, 16, 8], heads=4, groups=32,
                 patch=1, resample="residual", data_deviation=0),
    "ddad-s": dict(size=256, channels=32, multipliers=[1, 1, 2, 2, 4, 4], blocks=2, attention=[32, 16, 8], heads=4,
                   groups=32, patch=1, resample="residual", data_deviation=0),
    "small": dict(size=128, channels=64, multipliers=[1, 1, 2], blocks=2, attention=[8], heads=4, groups=8, patch=4,
                  resample="plain", data_deviation=0.06),
}


def step_embedding(step, width):
    """Sines, then cosines, of the step at `width` / 2 frequencies from 1 down to nearly 1 / 10000."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, device=step.device, dtype=torch.float32) * (-math.log(10000) / half))
    angles = step.float()[:, None] * frequencies[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def resized(x, resize):
    if resize == "down":
        return F.avg_pool2d(x, 2)
    if resize == "up":
        return F.interpolate(x, scale_factor=2.0, mode="nearest")
    return x


class Resize(nn.Module):
    """Half or double the size, and nothing else."""

    def __init__(self, resize):
        super().__init__()
        self.resize = resize

    def forward(self, x, embedding=None):
        return resized(x, self.resize)


class Residual(nn.Module):
    """Two convolutions beside a skip, the step's embedding added between; `resize` halves or doubles the size first."""

    def __init__(self, inputs, outputs, embedding, groups, resize=None):
        super().__init__()
        self.resize = resize
        self.norm_in = nn.GroupNorm(groups, inputs)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.step = nn.Linear(embedding, outputs)
        self.norm_out = nn.GroupNorm(groups, outputs)
        self.conv_out = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        # Every block starts as its skip: the deep network trains from the first step.
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, x, embedding):
        h = self.conv_in(resized(F.silu(self.norm_in(x)), self.resize))
        h = h + self.step(F.silu(embedding))[:, :, None, None]
        return self.skip(resized(x, self.resize)) + self.conv_out(F.silu(self.norm_out(h)))


class Attention(nn.Module):
    """Every place looks at every other. Queries, keys and values of one head lie together, head after head."""

    def __init__(self, channels, heads, groups):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.out = nn.Conv1d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x, embedding=None):
        batch, channels, height, width = x.shape
        flat = x.reshape(batch, channels, height * width)
        each = channels // self.heads
        qkv = self.qkv(self.norm(flat)).reshape(batch * self.heads, 3 * each, height * width)
        q, k, v = qkv.split(each, dim=1)
        weights = torch.softmax(torch.bmm(q.transpose(1, 2), k) / math.sqrt(each), dim=2)
        mixed = torch.bmm(v, weights.transpose(1, 2)).reshape(batch, channels, height * width)
        return (flat + self.out(mixed)).reshape(batch, channels, height, width)


def preconditioning(deviation):
    """By step: noise = share * noisy image - scale * what the layers make of inward * noisy image."""
    abar = Schedule().exact[1:]
    if not deviation:
        return {name: torch.ones(len(abar)) for name in ("share", "scale", "inward")}
    variance = (1 - abar) / abar + deviation**2
    return {"share": ((1 - deviation**2 / variance) / (1 - abar).sqrt()).float(),
            "scale": (deviation / variance.sqrt()).float(),
            "inward": (1 / (abar * variance).sqrt()).float()}


class Stage(nn.ModuleList):
    """Layers in a row, each of which gets the step's embedding."""

    def forward(self, x, embedding):
        for layer in self:
            x = layer(x, embedding)
        return x


class UNet(nn.Module):
    """Predicts the noise in a noisy image: (N x 3 x H x W, N) to N x 3 x H x W. H and W: any that the levels divide."""

    def __init__(self, size, channels, multipliers, blocks, attention, heads, groups, patch=1,
                 resample="residual", data_deviation=0, inputs=3):
        super().__init__()
        self.configuration = dict(size=size, channels=channels, multipliers=list(multipliers), blocks=blocks,
                                  attention=list(attention), heads=heads, groups=groups, patch=patch,
                                  resample=resample, data_deviation=data_deviation, inputs=inputs)
        self.channels, self.patch, self.data_deviation = channels, patch, data_deviation
        for name, table in preconditioning(data_deviation).items():
            self.register_buffer(name, table, persistent=False)
        embedding = 4 * channels
        self.embed = nn.Sequential(nn.Linear(channels, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        side = size // patch
        self.stem = nn.Conv2d(inputs * patch * patch, channels, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        widths, width = [channels], channels
        for level, multiplier in enumerate(multipliers):
            for _ in range(blocks):
                stage = Stage([Residual(width, channels * multiplier, embedding, groups)])
                width = channels * multiplier
                if side in attention:
                    stage.append(Attention(width, heads, groups))
                self.down.append(stage)
                widths.append(width)
            if level + 1 < len(multipliers):
                self.down.append(Stage([Resize("down") if resample == "plain" else
                                        Residual(width, width, embedding, groups, "down")]))
                widths.append(width)
                side //= 2
        self.middle = Stage([Residual(width, width, embedding, groups), Attention(width, heads, groups),
                             Residual(width, width, embedding, groups)])
        for level, multiplier in reversed(list(enumerate(multipliers))):
            for block in range(blocks + 1):
                stage = Stage([Residual(width + widths.pop(), channels * multiplier, embedding, groups)])
                width = channels * multiplier
                if side in attention:
                    stage.append(Attention(width, heads, groups))
                if level and block == blocks:
                    stage.append(Resize("up") if resample == "plain" else Residual(width, width, embedding, groups, "up"))
                    side *= 2
                self.up.append(stage)
        self.norm = nn.GroupNorm(groups, width)
        self.head = nn.Conv2d(width, inputs * patch * patch, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def weight(self, step):
        """What the squared error of the noise is worth at a step, N: the layers' own errors count alike at every step."""
        return self.scale[step] ** -2

    def forward(self, image, step):
        if not self.data_deviation:
            return self.layers(image, step)
        share, scale, inward = (table[step.long()].reshape(-1, 1, 1, 1) for table in (self.share, self.scale, self.inward))
        return share * image - scale * self.layers(inward * image, step)

    def layers(self, image, step):
        embedding = self.embed(step_embedding(step, self.channels))
        h = self.stem(F.pixel_unshuffle(image, self.patch) if self.patch > 1 else image)
        skips = [h]
        for stage in self.down:
            h = stage(h, embedding)
            skips.append(h)
        h = self.middle(h, embedding)
        for stage in self.up:
            h = stage(torch.cat([h, skips.pop()], dim=1), embedding)
        h = self.head(F.silu(self.norm(h)))
        return F.pixel_shuffle(h, self.patch) if self.patch > 1 else h
