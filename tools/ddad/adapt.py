#!/usr/bin/env python3
"""Fits the feature extractor to the product (the paper's domain adaptation): what the denoiser makes of a good image is
to look like the image, without forgetting what the pretrained network saw.

    L = sum over layers of 1 - cos(phi(made), phi(image))
      + lambda sum over layers of (1 - cos(phi(made), phi0(made)) + 1 - cos(phi(image), phi0(image)))

Writes OUT.onnx and OUT.json, which export.py --features names in the denoiser's settings. Stopped at any moment, it goes
on from OUT.part when started again.
"""

import argparse
import copy
import json
import os
import pathlib

import torch

import diffusion
import images
import network
import unet


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="of train.py")
    parser.add_argument("data", help="the folder that it was trained on")
    parser.add_argument("out", help="OUT.onnx")
    parser.add_argument("--extractor", required=True, help="ONNX file to start from: velm's lite2.onnx")
    parser.add_argument("--layers", default="stage3,stage5")
    parser.add_argument("--size", type=int, default=256, help="side of the images that it sees")
    parser.add_argument("--mean", default="127,127,127", help="is subtracted from bytes")
    parser.add_argument("--scale", default="128,128,128", help="they are then divided by it")
    parser.add_argument("--start", type=int, default=250)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--keep", type=float, default=1.0, help="lambda: weight of what the pretrained network saw")
    parser.add_argument("--rate", type=float, default=1e-5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def seen(images_, size, mean, scale):
    """-1 to 1 at the denoiser's size, as the extractor takes them."""
    big = torch.nn.functional.interpolate(images_, (size, size), mode="bilinear", align_corners=False)
    return (127.5 * (big + 1) - mean) / scale


def unlike(first, second):
    """Sum over layers of the mean of 1 less the cosine."""
    return sum((1 - torch.nn.functional.cosine_similarity(a, b, dim=1)).mean() for a, b in zip(first, second))


def loss_of(tuned, pretrained, made, image, keep):
    of_made, of_image = tuned(made), tuned(image)
    with torch.no_grad():
        was_made, was_image = pretrained(made), pretrained(image)
    alike = unlike(of_made, of_image)
    kept = unlike(of_made, was_made) + unlike(of_image, was_image)
    return alike + keep * kept, alike.item(), kept.item()


def numbers(text):
    return torch.tensor([float(x) for x in text.split(",")]).reshape(1, 3, 1, 1)


def main():
    arguments = options()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = torch.device(arguments.device)
    state = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    denoiser = unet.UNet(**state["network"]).to(device).eval()
    denoiser.load_state_dict(state["average"])
    data = images.load(arguments.data, images.split(arguments.data, state["hold_back"])[0], state["network"]["size"])
    tuned = network.Network(arguments.extractor, arguments.layers.split(",")).to(device)
    pretrained = copy.deepcopy(tuned).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=arguments.rate)
    out = pathlib.Path(arguments.out)
    part, done = out.with_suffix(".part"), 0
    if part.exists():
        saved = torch.load(part, map_location=device, weights_only=True)
        tuned.load_state_dict(saved["tuned"])
        optimizer.load_state_dict(saved["optimizer"])
        done = saved["done"]
        torch.manual_seed(arguments.seed + done)
    schedule = diffusion.Schedule()
    mean, scale = numbers(arguments.mean).to(device), numbers(arguments.scale).to(device)
    while done < arguments.batches:
        image = images.scaled(data[torch.randint(len(data), (arguments.batch,))]).to(device)
        made = diffusion.reconstruct(denoiser, schedule, image, arguments.start, arguments.steps, arguments.guidance, 1.0)
        loss, alike, kept = loss_of(tuned, pretrained, seen(made, arguments.size, mean, scale),
                                    seen(image, arguments.size, mean, scale), arguments.keep)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        done += 1
        print(f"batch {done:5d}  made and image {alike:.4f}  and pretrained {kept:.4f}", flush=True)
        if done % 10 == 0:
            temporary = part.with_suffix(".new")
            torch.save({"tuned": tuned.state_dict(), "optimizer": optimizer.state_dict(), "done": done}, temporary)
            os.replace(temporary, part)
    tuned.save(out)
    out.with_suffix(".json").write_text(json.dumps({
        "file": out.name, "layers": tuned.layers, "size": arguments.size,
        "mean": mean.flatten().tolist(), "scale": scale.flatten().tolist()}, indent=1) + "\n")
    print(f"{out}, {out.with_suffix('.json')}")


if __name__ == "__main__":
    main()
