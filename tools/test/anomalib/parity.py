#!/usr/bin/env python3
"""Whether velm gives the scores that anomalib gives: parity.py BUILD [DIR]

Trains small models in anomalib, exports each as ONNX and as OpenVINO IR, and has the same images scored by anomalib
(PyTorch, and its OpenVINO inferencer) and by velm from its build folder BUILD. DIR is a folder of images in the layout
that velm takes, with masks or without; without it, pictures are drawn.

Prints the largest differences, and fails where one is over what is allowed:
  same     images that have the network's size already
  resized  whole images, which velm resizes as anomalib does in training
each 1e-3 of scores and maps, which lie between 0 and 1
"""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np
import torch
from anomalib.data import Folder
from anomalib.deploy import OpenVINOInferencer
from anomalib.engine import Engine
from anomalib.models import Fastflow, Padim, Patchcore
from PIL import Image
from torchvision.transforms.v2 import functional

SIDE = 256
N_TRAIN, N_TEST = 32, 12
ALLOWED = 1e-3

# Without pretrained weights: nothing is downloaded, and numbers can be compared all the same.
MODELS = {
    "padim": lambda: Padim(backbone="resnet18", layers=["layer1", "layer2"], pre_trained=False, n_features=50),
    "patchcore": lambda: Patchcore(
        backbone="resnet18", layers=["layer2", "layer3"], pre_trained=False, coreset_sampling_ratio=0.01
    ),
    "fastflow": lambda: Fastflow(backbone="resnet18", pre_trained=False, flow_steps=2, evaluator=False),
}

# The operators of this version are those that the exporter knows; to others it converts, or fails to.
ONNX = {"opset_version": 18}
# With the batch left open, as it is by default, anomalib 2.7 exports PatchCore for two images at once.
ONE_IMAGE = ONNX | {"dynamic_axes": {}}


# ---- images ----


def draw(random, defect):
    """A brushed plate, 330 x 250, with a scratch where it is to have one."""
    plate = 120 + 25 * random.standard_normal((250, 1, 1)) + 8 * random.standard_normal((250, 330, 3))
    if defect:
        row, column = random.integers(20, 200), random.integers(20, 250)
        plate[row : row + 6, column : column + 60] += 90
    return Image.fromarray(plate.clip(0, 255).astype(np.uint8))


def draw_all(folder):
    random = np.random.default_rng(20250502)
    for name, n in (("train/good", N_TRAIN), ("test/good", N_TEST), ("test/scratch", N_TEST)):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            draw(random, name == "test/scratch").save(folder / name / f"{i:03}.png")


def copy_some(source, folder):
    """Evenly spread images of the training set, of the good ones and of the first class of defect."""
    defect = next(path.name for path in sorted((source / "test").iterdir()) if path.name != "good")
    for name, n in (("train/good", N_TRAIN), ("test/good", N_TEST), (f"test/{defect}", N_TEST)):
        (folder / name).mkdir(parents=True)
        paths = sorted((source / name).iterdir())
        for path in paths[:: max(1, len(paths) // n)][:n]:
            shutil.copy(path, folder / name)


def load(path):
    return np.asarray(Image.open(path).convert("RGB"), np.float32) / 255


def resize(image):
    """As anomalib's pre-processing does in training: bilinear, antialiased."""
    tensor = functional.resize(torch.from_numpy(image).permute(2, 0, 1), [SIDE, SIDE], antialias=True)
    return tensor.clamp(0, 1).permute(1, 2, 0).numpy()


def save_resized(paths, folder):
    folder.mkdir()
    for i, path in enumerate(paths):
        Image.fromarray((resize(load(path)) * 255).round().astype(np.uint8)).save(folder / f"{i:03}.png")
    return sorted(folder.iterdir())


# ---- anomalib ----


def train(name, folder, work):
    torch.manual_seed(20250502)
    model = MODELS[name]()
    defect = next(path.name for path in sorted((folder / "test").iterdir()) if path.name != "good")
    data = Folder(
        name=name,
        root=folder,
        normal_dir="train/good",
        normal_test_dir="test/good",
        abnormal_dir=f"test/{defect}",
        train_batch_size=8,
        eval_batch_size=8,
        num_workers=0,
        val_split_mode="same_as_test",
    )
    limits = {"max_epochs": 1} if name == "fastflow" else {}
    engine = Engine(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, default_root_dir=work, **limits
    )
    engine.fit(model, datamodule=data)
    return model.eval()


def result(prediction):
    anomaly_map = np.asarray(prediction.anomaly_map, np.float32)
    return float(np.ravel(np.asarray(prediction.pred_score))[0]), anomaly_map.reshape(anomaly_map.shape[-2:])


def run_torch(model, images):
    with torch.no_grad():
        return [result(model(torch.from_numpy(image).permute(2, 0, 1)[None])) for image in images]


def run_openvino(path, images):
    # Exact: the processor may have bf16. (An image of floats over 1, if only just, would be divided by 255.)
    inferencer = OpenVINOInferencer(path, device="CPU", config={"INFERENCE_PRECISION_HINT": "f32"})
    return [result(inferencer.predict(image)) for image in images]


# ---- velm ----


def run_velm(build, exported, paths, folder, work, *options):
    model, maps = work / "exported.velm", work / "maps"
    maps.mkdir(exist_ok=True)
    subprocess.run(
        [build / "velm", "fit", folder, "--detector", "exported", "--model-file", exported, "-o", model, *options],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    program = build / "tests" / "maps_of_images"
    text = subprocess.run([program, model, maps, *paths], check=True, stdout=subprocess.PIPE, text=True).stdout
    results = []
    for i, line in enumerate(text.splitlines()):
        score, width, height, _ = line.split()
        anomaly_map = np.fromfile(maps / f"{i}.f32", np.float32).reshape(int(height), int(width))
        results.append((float(score), anomaly_map))
    return results


# ---- comparing ----


def compare(what, kind, velm, other):
    """Prints the largest differences. Returns: whether they are allowed."""
    score = max(abs(a[0] - b[0]) for a, b in zip(velm, other, strict=True))
    if any(a[1].shape != b[1].shape for a, b in zip(velm, other, strict=True)):
        print(f"  {what:<46} {kind:<8} maps of other sizes  FAILED")
        return False
    pixel = max(float(np.abs(a[1] - b[1]).max()) for a, b in zip(velm, other, strict=True))
    ok = max(score, pixel) <= ALLOWED
    print(f"  {what:<46} {kind:<8} score {score:.1e}  map {pixel:.1e}  {'ok' if ok else 'FAILED'}")
    return ok


def export(model, name, work):
    """The files, by what they are: of one size of images, and for PaDiM of any size."""
    size, options = (SIDE, SIDE), ONNX if name == "padim" else ONE_IMAGE
    files = {
        "IR": model.to_openvino(work, name, input_size=size, onnx_kwargs=options),
        "ONNX": model.to_onnx(work, name, input_size=size, **options),
    }
    if name == "padim":
        files["IR, any size"] = model.to_openvino(work, "any", onnx_kwargs=options)
        files["ONNX, any size"] = model.to_onnx(work, "any", **options)
    return files


def check_model(name, folder, paths, build, work):
    model = train(name, folder, work)
    files = export(model, name, work)
    small = save_resized(paths, work / f"{name}-small")
    images, whole = [load(path) for path in small], [resize(load(path)) for path in paths]
    expected = run_torch(model, images)
    scores = [score for score, _ in expected]
    print(f"{name}: {len(paths)} images, scores from {min(scores):.3f} to {max(scores):.3f}")
    ok = max(scores) > min(scores)
    for kind, exported in files.items():
        options = ("--size", str(SIDE)) if "any size" in kind else ()
        given = (*options, "--threshold", "0.5")
        velm = run_velm(build, exported, small, folder, work, *given)
        ok &= compare(f"{kind}, against PyTorch", "same", velm, expected)
        # Of an ONNX file's output with several names, anomalib's inferencer takes any.
        if kind.startswith("IR"):
            ok &= compare(f"{kind}, against OpenVINO", "same", velm, run_openvino(exported, images))
        resized = run_velm(build, exported, paths, folder, work, *given)
        ok &= compare(f"{kind}, against PyTorch", "resized", resized, run_torch(model, whole))
    return ok


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    build = Path(sys.argv[1]).resolve()
    source = Path(sys.argv[2]).resolve() if len(sys.argv) == 3 else None
    ok = True
    with tempfile.TemporaryDirectory(prefix="velm-anomalib-") as name:
        work = Path(name)
        folder = work / "images"
        os.chdir(work)  # anomalib leaves folders where it is started
        copy_some(source, folder) if source else draw_all(folder)
        paths = [path for path in sorted((folder / "test").glob("*/*")) if path.is_file()]
        for model in MODELS:
            ok &= check_model(model, folder, paths, build, work)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
