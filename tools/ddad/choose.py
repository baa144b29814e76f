#!/usr/bin/env python3
"""Which start, guidance and pixel weight suit a product, found without a defect: the parts held back from training are
looked at as they are and with made-up defects. Prints one line a setting, the best one last.

The defects are patches of other places of other parts, scratches and spots, each a few percent of the image.
"""

import argparse
import itertools

import numpy as np
import torch

import adapt
import diffusion
import images
import network
import unet


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("checkpoint", help="of train.py")
    parser.add_argument("data", help="the folder that it was trained on")
    parser.add_argument("--extractor", required=True, help="velm's lite2.onnx, or what adapt.py wrote")
    parser.add_argument("--layers", default="stage3,stage5")
    parser.add_argument("--size", type=int, default=256, help="side of the images that the extractor sees")
    parser.add_argument("--starts", default="100,200,300,400")
    parser.add_argument("--guidances", default="0,2,5")
    parser.add_argument("--pixel-weights", default="0,0.3,1,3")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1, help="how many times an image is made anew")
    parser.add_argument("--images", type=int, default=36, help="held-back images, at most")
    parser.add_argument("--mean", default="127,127,127")
    parser.add_argument("--scale", default="128,128,128")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


# ---- made-up defects ----


def spot(random, size):
    """A filled ellipse."""
    y, x = np.mgrid[:size, :size]
    cy, cx = random.uniform(0.1, 0.9, 2) * size
    ry, rx = random.uniform(0.015, 0.06, 2) * size
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


def scratch(random, size):
    """A thin line that wanders."""
    mask = np.zeros((size, size), bool)
    at, heading = random.uniform(0.15, 0.85, 2) * size, random.uniform(0, 2 * np.pi)
    for _ in range(int(random.uniform(0.15, 0.5) * size)):
        heading += random.normal(scale=0.15)
        at = at + [np.sin(heading), np.cos(heading)]
        y, x = np.round(at).astype(int)
        mask[max(y, 0):y + 2, max(x, 0):x + 2] = True
    return mask


def patch(random, size):
    """A rectangle."""
    mask = np.zeros((size, size), bool)
    height, width = (random.uniform(0.06, 0.25, 2) * size).astype(int)
    top, left = random.integers(0, size - height), random.integers(0, size - width)
    mask[top:top + height, left:left + width] = True
    return mask


def with_defect(random, image, other):
    """image, other: 3 x size x size. A third are patches of another part, the others darker or brighter than there."""
    size = image.shape[-1]
    kind = random.integers(3)
    mask = (spot, scratch, patch)[kind](random, size)
    if kind == 2:
        shift = tuple(int(s) for s in random.integers(0, size, 2))
        filled = torch.roll(other, shift, (1, 2)).flip(1)
    else:
        filled = image + float(random.choice([-1, -1, 1]) * random.uniform(0.15, 0.6))
    mask = torch.from_numpy(mask)
    return torch.where(mask, filled.clamp(-1, 1), image), mask.numpy()


# ---- figures ----


def auroc(scores, positive):
    """Ties count half."""
    scores, positive = np.asarray(scores, float), np.asarray(positive, bool)
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = positive.sum(), (~positive).sum()
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * m)


def blurred(maps, sigma):
    reach = int(3 * sigma)
    weights = torch.exp(-torch.arange(-reach, reach + 1).float() ** 2 / (2 * sigma**2))
    weights = weights / weights.sum()
    padded = torch.nn.functional.pad(maps[:, None], [reach] * 4, mode="replicate")
    across = torch.nn.functional.conv2d(padded, weights.reshape(1, 1, 1, -1))
    return torch.nn.functional.conv2d(across, weights.reshape(1, 1, -1, 1))[:, 0]


def cosine_distances(extractor, made, target, size, mean, scale):
    total = 0
    for a, b in zip(extractor(adapt.seen(made, size, mean, scale)), extractor(adapt.seen(target, size, mean, scale))):
        distance = 1 - torch.nn.functional.cosine_similarity(a, b, dim=1)
        total = total + torch.nn.functional.interpolate(distance[:, None], made.shape[-2:], mode="bilinear")[:, 0]
    return total


def pointing(maps, masks):
    """Share of defects whose map's maximum lies on them or within 3 % of the side."""
    size = maps.shape[-1]
    hits = 0
    for values, mask in zip(maps, masks):
        y, x = np.unravel_index(values.argmax(), values.shape)
        reach = int(0.03 * size)
        hits += mask[max(y - reach, 0):y + reach + 1, max(x - reach, 0):x + reach + 1].any()
    return hits / len(masks)


@torch.no_grad()
def main():
    arguments = options()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    state = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    model = unet.UNet(**state["network"]).eval()
    model.load_state_dict(state["average"])
    size = state["network"]["size"]
    held = images.split(arguments.data, state["hold_back"])[1]
    if len(held) < 4:
        raise SystemExit("too few images were held back from training (train.py --hold-back)")
    held = held[::max(1, len(held) // arguments.images)]
    good = images.scaled(images.load(arguments.data, held, size))
    random = np.random.default_rng(arguments.seed)
    made_up = [with_defect(random, image, good[(i + len(good) // 2) % len(good)]) for i, image in enumerate(good)]
    targets = torch.cat([good, torch.stack([image for image, _ in made_up])])
    masks = [mask for _, mask in made_up]
    extractor = network.Network(arguments.extractor, arguments.layers.split(",")).eval()
    mean, scale = adapt.numbers(arguments.mean), adapt.numbers(arguments.scale)
    rows, n = [], len(good)
    for start, guidance in itertools.product(*(map(float, x.split(",")) for x in (arguments.starts, arguments.guidances))):
        pixels, features = [], []
        for batch in targets.split(8):
            of_pixels, of_features = 0, 0
            for sample in range(arguments.samples):
                generator = torch.Generator().manual_seed(arguments.seed + sample)
                made = diffusion.reconstruct(model, diffusion.Schedule(), batch, int(start), arguments.steps, guidance, 1.0,
                                             generator)
                of_pixels = of_pixels + (made - batch).abs().sum(1) / arguments.samples
                of_features = of_features + cosine_distances(extractor, made, batch, arguments.size, mean,
                                                             scale) / arguments.samples
            pixels.append(of_pixels)
            features.append(of_features)
        pixels, features = torch.cat(pixels), torch.cat(features)
        balance = float(features[:n].max() / pixels[:n].max())
        for weight in map(float, arguments.pixel_weights.split(",")):
            maps = blurred(features + weight * balance * pixels, 4 * size / 256).numpy()
            image = auroc(maps.max((1, 2)), [False] * n + [True] * n)
            pixel = auroc(maps[n:].ravel(), np.concatenate([m.ravel() for m in masks]))
            rows.append((image + pointing(maps[n:], masks), start, guidance, weight, image, pixel))
            print(f"start {start:.0f} guidance {guidance:g} pixel weight {weight:g}: image AUROC {image:.3f}, pixel AUROC "
                  f"{pixel:.3f}, pointing {rows[-1][0] - image:.3f}", flush=True)
    best = max(rows)
    print(f"best by image AUROC and pointing: --start {best[1]:.0f} --guidance {best[2]:g} --pixel-weight {best[3]:g}")


if __name__ == "__main__":
    main()
