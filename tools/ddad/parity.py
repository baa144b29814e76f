#!/usr/bin/env python3
"""Whether velm's reconstructions are PyTorch's, with the same denoiser, images and noise.

    parity.py BUILD CHECKPOINT DENOISER.onnx DIR

BUILD is a build folder with the tests' programs. Eight held-back images, and the settings beside the denoiser.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch

import diffusion
import images
import unet


class Given:
    """Noise that both take, in the order in which it is asked for."""

    def __init__(self, values):
        self.values, self.next = values, 0

    def __call__(self):
        self.next += 1
        return self.values[self.next - 1]


@torch.no_grad()
def main():
    build, checkpoint, denoiser, data = sys.argv[1:5]
    said = json.loads(pathlib.Path(denoiser).with_suffix(".json").read_text())
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = unet.UNet(**state["network"]).eval()
    model.load_state_dict(state["average"])
    paths = (said.get("held_back") or images.good_paths(data))[:8]
    target = images.scaled(images.load(data, paths, said["width"]))
    noise = torch.randn((said["steps"], *target.shape), generator=torch.Generator().manual_seed(0))
    made = diffusion.reconstruct(model, diffusion.Schedule(), target, said["start"], said["steps"], said["guidance"],
                                 said["eta"], draw=Given(noise))
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(pathlib.Path(folder) / name) for name in ("target", "noise", "out")}
        target.numpy().tofile(files["target"])
        noise.numpy().tofile(files["noise"])
        schedule = said["schedule"]
        case = {"what": "reconstruct", "schedule": [schedule["steps"], schedule["first"], schedule["last"]],
                "denoiser": denoiser, "width": said["width"], "height": said["height"], "batch": len(paths),
                "start": said["start"], "count": said["steps"], "guidance": said["guidance"], "eta": said["eta"],
                **files}
        program = str(pathlib.Path(build) / "tests" / "ddad_of_cases")
        subprocess.run([program], input=json.dumps(case) + "\n", text=True, check=True)
        velms = np.fromfile(files["out"], np.float32).reshape(target.shape)
    off = np.abs(velms - made.numpy())
    print(f"{len(paths)} images of {said['width']} x {said['height']}, {said['steps']} steps: {off.max():.1e} off at most, "
          f"{off.mean():.1e} in the mean; values from {made.min():.2f} to {made.max():.2f}")
    sys.exit(int(off.max() > 1e-3))


if __name__ == "__main__":
    main()
