"""Good images of a folder in MVTec's layout, whole in memory, and the parts held back from training."""

import csv
import pathlib

import cv2
import numpy as np
import torch

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def good_paths(root):
    """Paths under train/good, in order, relative to the root."""
    root = pathlib.Path(root)
    paths = sorted(p.relative_to(root).as_posix() for p in (root / "train" / "good").iterdir()
                   if p.suffix.lower() in ENDINGS)
    if not paths:
        raise SystemExit(f"{root}: no images in train/good")
    return paths


def parts(root, paths):
    """The part that each image shows: groups.csv's, and where there is none each image is its own."""
    listed = pathlib.Path(root) / "groups.csv"
    groups = {}
    if listed.exists():
        with open(listed, newline="") as file:
            groups = {row["path"]: row["group"] for row in csv.DictReader(file)}
    return [groups.get(path, path) for path in paths]


def split(root, every):
    """Training paths and held-back ones: every `every`th part is held back whole, none where `every` is 0."""
    paths = good_paths(root)
    of = parts(root, paths)
    order = {part: index for index, part in enumerate(dict.fromkeys(sorted(of)))}
    held = [every > 0 and order[part] % every == every - 1 for part in of]
    return [p for p, h in zip(paths, held) if not h], [p for p, h in zip(paths, held) if h]


def squeezed(image, size):
    """Bilinear and antialiased, as velm resizes what goes into a denoiser."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(pixels, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return small[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


def load(root, paths, size):
    """N x 3 x size x size, uint8, RGB, each image squeezed to the square as velm squeezes it."""
    images = np.empty((len(paths), size, size, 3), np.uint8)
    for index, path in enumerate(paths):
        image = cv2.imread(str(pathlib.Path(root) / path), cv2.IMREAD_COLOR)
        if image is None:
            raise SystemExit(f"{path}: not an image")
        images[index] = squeezed(np.ascontiguousarray(image[:, :, ::-1]), size)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def scaled(images):
    """0 to 255 as -1 to 1."""
    return images.float() / 127.5 - 1
