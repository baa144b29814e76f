#!/usr/bin/env python3
"""Turns a checkpoint of the paper's published implementation into what velm reads: OUT.onnx and OUT.json.

    convert.py CHECKPOINT OUT.onnx [--network ddad|ddad-s]

Its UNet has the same layers in the same order, by other names.
"""

import argparse
import re

import torch

import export
import unet

# Names of the published state dict, then ours. Down and up paths number their stages alike.
NAMES = [
    (r"^module\.", ""),
    (r"^time_embedding\.1\.", "embed.0."),
    (r"^time_embedding\.3\.", "embed.2."),
    (r"^down\.0\.0\.", "stem."),
    (r"^out\.0\.", "norm."),
    (r"^out\.2\.", "head."),
    (r"\.in_layers\.0\.", ".norm_in."),
    (r"\.in_layers\.2\.", ".conv_in."),
    (r"\.embed_layers\.1\.", ".step."),
    (r"\.out_layers\.0\.", ".norm_out."),
    (r"\.out_layers\.3\.", ".conv_out."),
    (r"\.skip_connection\.", ".skip."),
    (r"\.to_qkv\.", ".qkv."),
    (r"\.proj_out\.", ".out."),
]


def renamed(name):
    for theirs, ours in NAMES:
        name = re.sub(theirs, ours, name)
    # Their first stage is the stem, which is a layer of its own here.
    return re.sub(r"^down\.(\d+)\.", lambda match: f"down.{int(match.group(1)) - 1}.", name)


def converted(state):
    return {renamed(name): value for name, value in state.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("out", help="OUT.onnx")
    parser.add_argument("--network", default="ddad", choices=["ddad", "ddad-s"])
    export.add_settings(parser)
    arguments = parser.parse_args()
    state = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    model = unet.UNet(**unet.CONFIGURATIONS[arguments.network])
    try:
        model.load_state_dict(converted(state))
    except RuntimeError as error:
        raise SystemExit(f"{arguments.checkpoint}: not a checkpoint of {arguments.network}: {error}") from error
    export.write(model, export.settings(arguments, model.configuration["size"],
                                        {"steps": 1000, "first": 1e-4, "last": 0.02}), arguments.out)


if __name__ == "__main__":
    main()
