#!/usr/bin/env python3
"""Trains the denoiser on train/good. See README.md beside this file.

Stopped at any moment, it goes on from its last checkpoint when started again with the same --out.
"""

import argparse
import json
import os
import pathlib
import signal
import time

import cv2
import numpy as np
import torch

import diffusion
import images
import unet


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("data", help="folder with train/good, and groups.csv where images share a part")
    parser.add_argument("--out", required=True, help="folder for the checkpoint, the snapshots and the samples")
    parser.add_argument("--network", default="small", choices=sorted(unet.CONFIGURATIONS))
    parser.add_argument("--size", type=int, help="side of the images, if not the network's own")
    parser.add_argument("--crop", type=int, default=0, help="side of the crops, three batches of four; 0: whole images")
    parser.add_argument("--batch", type=int, default=16, help="whole images in a batch; of crops, as many as cost the same")
    parser.add_argument("--below", type=int, default=500, help="train steps under this only")
    parser.add_argument("--rate", type=float, default=3e-4, help="AdamW's learning rate")
    parser.add_argument("--ema", type=float, default=0.999, help="decay of the averaged weights")
    parser.add_argument("--hold-back", type=int, default=8, help="hold every nth part back from training; 0: none")
    parser.add_argument("--minutes", type=float, default=0, help="stop after this much training in all; 0: never")
    parser.add_argument("--checkpoint-minutes", type=float, default=2)
    parser.add_argument("--snapshot-minutes", type=float, default=10)
    parser.add_argument("--no-flips", action="store_true", help="for products that do not look the same mirrored")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def write(path, state):
    """Under a temporary name first: a checkpoint is whole or is the last one."""
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


class Batches:
    """Random batches in -1 to 1: three of crops, then one of whole images, mirrored at random."""

    def __init__(self, data, crop, batch, flips):
        self.data, self.crop, self.batch, self.flips = data, crop, batch, flips
        self.size = data.shape[-1]
        self.drawn = 0

    def next(self):
        whole = not self.crop or self.crop >= self.size or self.drawn % 4 == 3
        self.drawn += 1
        side = self.size if whole else self.crop
        count = max(1, self.batch * self.size**2 // side**2 // (1 if whole else 2))
        out = torch.empty(count, 3, side, side, dtype=torch.uint8)
        for i, index in enumerate(torch.randint(len(self.data), (count,)).tolist()):
            top, left = torch.randint(self.size - side + 1, (2,)).tolist()
            piece = self.data[index, :, top:top + side, left:left + side]
            if self.flips:
                mirrored = [axis for axis, draw in zip((1, 2), torch.rand(2).tolist()) if draw < 0.5]
                piece = piece.flip(mirrored) if mirrored else piece
            out[i] = piece
        return images.scaled(out)


def averaged(average, model, decay):
    with torch.no_grad():
        for a, b in zip(average.parameters(), model.parameters()):
            a.lerp_(b, 1 - decay)


def picture(path, model, schedule, samples, start, device):
    """Targets above what the averaged network makes of them."""
    model.eval()
    made = diffusion.reconstruct(model, schedule, samples.to(device), start, 10, 1.0, 1.0,
                                 torch.Generator().manual_seed(0)).cpu()
    rows = [torch.cat(list(x), dim=2) for x in (samples, made)]
    image = (torch.cat(rows, dim=1).clamp(-1, 1) * 127.5 + 127.5).byte().permute(1, 2, 0).numpy()
    cv2.imwrite(str(path), np.ascontiguousarray(image[:, :, ::-1]))


def state_of(arguments, model, average, optimizer, done, seconds, configuration):
    return {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(),
            "batches": done, "seconds": seconds, "network": configuration, "below": arguments.below,
            "hold_back": arguments.hold_back, "schedule": {"steps": 1000, "first": 1e-4, "last": 0.02},
            "random": torch.get_rng_state()}


def main():
    arguments = options()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    configuration = dict(unet.CONFIGURATIONS[arguments.network])
    configuration["size"] = arguments.size or configuration["size"]
    training, held = images.split(arguments.data, arguments.hold_back)
    data = images.load(arguments.data, training, configuration["size"])
    samples = images.scaled(images.load(arguments.data, (held or training)[::7][:8], configuration["size"]))
    print(f"{len(training)} images to train on, {len(held)} held back", flush=True)

    device = torch.device(arguments.device)
    model = unet.UNet(**configuration).to(device, memory_format=torch.channels_last)
    average = unet.UNet(**configuration).to(device, memory_format=torch.channels_last)
    average.load_state_dict(model.state_dict())
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.rate)
    done, seconds = 0, 0.0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["network"] != configuration:
            raise SystemExit(f"{checkpoint}: of another network; name another --out")
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        done, seconds = state["batches"], state["seconds"]
        torch.set_rng_state(state["random"].cpu())
        print(f"going on after {done} batches, {seconds / 60:.1f} minutes", flush=True)

    stopping = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopping.append(True))
    schedule = diffusion.Schedule()
    batches = Batches(data, arguments.crop, arguments.batch, not arguments.no_flips)
    batches.drawn = done
    # A processor's minutes are its own: a busy machine does not change what the curve says.
    spent = time.monotonic if device.type == "cuda" else time.process_time
    losses, clock, saved, shot = [], spent(), seconds, seconds
    (out / "training.json").write_text(json.dumps(vars(arguments), indent=1))
    while not stopping and not (arguments.minutes and seconds >= arguments.minutes * 60):
        clean = batches.next().to(device, memory_format=torch.channels_last)
        step = torch.randint(arguments.below, (len(clean),))
        noise = torch.randn_like(clean)
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * min(1, (done + 1) / 100)
        error = (model(schedule.noised(clean, step, noise), step.to(device)) - noise).square().mean(dim=(1, 2, 3))
        loss = (model.weight(step.to(device)) * error).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        # Young averages follow the network, or they would remember its first weights.
        averaged(average, model, min(arguments.ema, (done + 1) / (done + 10)))
        done += 1
        now = spent()
        seconds, clock = seconds + now - clock, now
        losses.append(loss.item())
        if done % 50 == 0:
            print(f"{seconds / 60:7.1f} min  batch {done:6d}  loss {np.mean(losses[-200:]):.4f}", flush=True)
        if seconds - saved > arguments.checkpoint_minutes * 60 or stopping:
            write(checkpoint, state_of(arguments, model, average, optimizer, done, seconds, configuration))
            saved = seconds
        if seconds - shot > arguments.snapshot_minutes * 60:
            shot = seconds
            name = f"{int(seconds / 60):05d}"
            write(out / f"snapshot-{name}.pt", {"average": average.state_dict(), "network": configuration, "batches": done,
                                                "seconds": seconds, "below": arguments.below,
                                                "hold_back": arguments.hold_back,
                                                "schedule": {"steps": 1000, "first": 1e-4, "last": 0.02}})
            picture(out / f"sample-{name}.png", average, schedule, samples, arguments.below * 3 // 5, device)
            clock = spent()
    write(checkpoint, state_of(arguments, model, average, optimizer, done, seconds, configuration))
    print(f"stopped after {done} batches, {seconds / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
