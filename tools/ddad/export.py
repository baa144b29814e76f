#!/usr/bin/env python3
"""Writes what `velm fit --detector ddad --denoiser OUT.onnx` reads: OUT.onnx, and OUT.json with its settings.

CHECKPOINT is a checkpoint or a snapshot of train.py; the averaged weights are taken.
"""

import argparse
import json
import pathlib

import torch

import images
import unet


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("out", help="OUT.onnx")
    parser.add_argument("--data", help="the folder that it was trained on, to name the images held back")
    parser.add_argument("--features", help="a feature extractor that adapt.py wrote, to be named in the settings")
    add_settings(parser)
    return parser.parse_args()


def add_settings(parser):
    parser.add_argument("--start", type=int, default=250, help="steps of noise that are added first")
    parser.add_argument("--steps", type=int, default=10, help="in how many they are taken away")
    parser.add_argument("--samples", type=int, default=1, help="how many times a part is made anew")
    parser.add_argument("--guidance", type=float, default=2.0, help="the paper's w")
    parser.add_argument("--eta", type=float, default=1.0, help="share of fresh noise")
    parser.add_argument("--pixel-weight", type=float, default=1.0, help="the paper's v")
    parser.add_argument("--smoothing", type=float, help="pixels; 4 at 256 by default")


def settings(arguments, size, schedule):
    return {
        "width": size,
        "height": size,
        "schedule": schedule,
        "start": arguments.start,
        "steps": arguments.steps,
        "samples": arguments.samples,
        "guidance": arguments.guidance,
        "eta": arguments.eta,
        "pixel_weight": arguments.pixel_weight,
        "smoothing": 4 * size / 256 if arguments.smoothing is None else arguments.smoothing,
    }


def write_onnx(model, size, path):
    """Batches of any number; the size is the one that attention was trained at."""
    example = (torch.zeros(2, 3, size, size), torch.zeros(2))
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.onnx.export(model.eval(), example, input_names=["image", "step"], output_names=["noise"],
                                dynamic_shapes=({0: batch}, {0: batch}), dynamo=True, external_data=False, verbose=False)
    program.save(str(path), external_data=False)


def write(model, said, path):
    path = pathlib.Path(path)
    if path.suffix != ".onnx":
        raise SystemExit(f"{path}: name it OUT.onnx")
    write_onnx(model, said["width"], path)
    path.with_suffix(".json").write_text(json.dumps(said, indent=1) + "\n")
    print(f"{path}, {path.with_suffix('.json')}")


def main():
    arguments = options()
    state = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    model = unet.UNet(**state["network"])
    model.load_state_dict(state["average"])
    said = settings(arguments, state["network"]["size"], state["schedule"])
    if arguments.start > state["below"]:
        raise SystemExit(f"--start {arguments.start}: it was trained on steps under {state['below']} alone")
    if arguments.data and state["hold_back"]:
        said["held_back"] = images.split(arguments.data, state["hold_back"])[1]
    if arguments.features:
        described = pathlib.Path(arguments.features).with_suffix(".json")
        said["features"] = json.loads(described.read_text())
    write(model, said, arguments.out)


if __name__ == "__main__":
    main()
