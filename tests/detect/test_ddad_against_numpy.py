#!/usr/bin/env python3
"""Compares velm's diffusion and distances with a reading of DDAD's equations (arXiv 2305.15956) in NumPy: each piece on
random values, and the whole loop on eight images with a small denoiser, made here.

VELM_DDAD_OF_CASES names the program that computes velm's (ddad_of_cases.c), VELM_TEST_PYTHON a Python that has NumPy and
onnx (set-up installs them). Prints TAP.
"""

import json
import os
import subprocess
import sys
import tempfile

CASES = 20
PIECE, LOOP = 1e-4, 1e-3
SCHEDULE = [1000, 1e-4, 0.02]

# Set-up's Python rather than the system's, which rarely has onnx.
better = os.environ.get("VELM_TEST_PYTHON")
if better and os.access(better, os.X_OK) and os.environ.get("VELM_TEST_PYTHON_USED") != better:
    os.environ["VELM_TEST_PYTHON_USED"] = better
    os.execv(better, [better, *sys.argv])

program = os.environ.get("VELM_DDAD_OF_CASES")
if not program:
    print("1..0 # SKIP VELM_DDAD_OF_CASES is not set")
    sys.exit()
try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper
except ImportError as error:
    print(f"1..0 # SKIP {error} (set-up installs it)")
    sys.exit()


# ---- the equations ----


def kept(step, schedule=None):
    """alpha bar after each step; -1 is the clean image."""
    steps, first, last = schedule or SCHEDULE
    return np.concatenate([[1.0], np.cumprod(1 - np.linspace(first, last, steps))])[np.asarray(step, int) + 1]


def noised(image, step, noise):
    return np.sqrt(kept(step)) * image + np.sqrt(1 - kept(step)) * noise


def stepped_back(image, predicted, target, noise, start, end, guidance, eta):
    now, then = kept(start), kept(end)
    noisy_target = np.sqrt(now) * target + np.sqrt(1 - now) * predicted
    corrected = predicted - guidance * np.sqrt(1 - now) * (noisy_target - image)
    clean = (image - np.sqrt(1 - now) * corrected) / np.sqrt(now)
    sigma = eta * np.sqrt((1 - then) / (1 - now)) * np.sqrt(1 - now / then)
    return np.sqrt(then) * clean + np.sqrt(1 - then - sigma**2) * corrected + sigma * noise


def path(start, count):
    return [start * (count - i) // count - 1 for i in range(count + 1)]


def cosine_distance(a, b):
    return 1 - (a * b).sum(0) / (np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0))


def stretched(plane, rows, columns):
    """Bilinear, pixel centres aligned, edges repeated."""
    for axis, size in ((0, rows), (1, columns)):
        at = np.clip((np.arange(size) + 0.5) * plane.shape[axis] / size - 0.5, 0, plane.shape[axis] - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, plane.shape[axis] - 1)
        share = np.expand_dims(at - low, 1 - axis)
        plane = plane.take(low, axis) * (1 - share) + plane.take(high, axis) * share
    return plane


def blurred(plane, sigma):
    """Gaussian, cut off where it is under a hundredth of its peak, edges repeated."""
    reach = int(np.sqrt(-2 * np.log(0.01)) * sigma)
    weights = np.exp(-np.arange(-reach, reach + 1) ** 2 / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(plane, [(reach, reach) if axis == k else (0, 0) for k in (0, 1)], mode="edge")
        plane = sum(w * padded.take(range(i, i + plane.shape[axis]), axis) for i, w in enumerate(weights))
    return plane


def anomaly_map(pixels, features, weight, balance, sigma):
    return blurred(stretched(features, *pixels.shape) + weight * balance * pixels, sigma)


# ---- a denoiser: noise = sin(convolution(image) + step / 100) ----

KERNEL = np.random.default_rng(7).normal(size=(3, 3, 3, 3), scale=0.2).astype(np.float32)


def denoiser_file(folder):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    step = helper.make_tensor_value_info("step", TensorProto.FLOAT, ["n"])
    noise = helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["n", 3, "h", "w"])
    constants = [helper.make_tensor("kernel", TensorProto.FLOAT, KERNEL.shape, KERNEL.ravel()),
                 helper.make_tensor("hundredth", TensorProto.FLOAT, [1], [0.01]),
                 helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])]
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["seen"], pads=[1, 1, 1, 1]),
             helper.make_node("Mul", ["step", "hundredth"], ["small"]),
             helper.make_node("Unsqueeze", ["small", "axes"], ["level"]),
             helper.make_node("Add", ["seen", "level"], ["sum"]),
             helper.make_node("Sin", ["sum"], ["noise"])]
    graph = helper.make_graph(nodes, "denoiser", [image, step], [noise], constants)
    name = os.path.join(folder, "denoiser.onnx")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), name)
    return name


def denoise(images, step):
    padded = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)])
    height, width = images.shape[2:]
    seen = sum(np.einsum("oc,nchw->nohw", KERNEL[:, :, y, x], padded[:, :, y:y + height, x:x + width])
               for y in range(3) for x in range(3))
    return np.sin(seen + step / 100)


def reconstructed(target, noise, start, count, guidance, eta):
    steps = path(start, count)
    image = noised(target, steps[0], noise[0])
    for i in range(count):
        fresh = noise[i + 1] if i + 1 < len(noise) else 0
        image = stepped_back(image, denoise(image, steps[i]), target, fresh, steps[i], steps[i + 1], guidance, eta)
    return image


# ---- cases: what velm is asked, and what is expected ----

random = np.random.default_rng(1)


def normal(*shape):
    return random.normal(size=shape).astype(np.float32)


def listed(**values):
    return {key: value.ravel().tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()}


def kept_case():
    steps = np.sort(random.integers(-1, 1000, size=50))
    return listed(what="kept", schedule=SCHEDULE, steps=steps), kept(steps)


def path_case():
    start = int(random.integers(1, 1000))
    count = int(random.integers(1, start + 1))
    return {"what": "path", "start": start, "count": count}, np.array(path(start, count))


def noise_case():
    image, noise, step = normal(40), normal(40), int(random.integers(0, 1000))
    return listed(what="add_noise", schedule=SCHEDULE, step=step, image=image, noise=noise), noised(image, step, noise)


def step_case(guidance):
    start = int(random.integers(1, 500))
    end = int(random.choice([-1, random.integers(-1, start)]))
    image, predicted, target, noise = normal(40), normal(40), normal(40), normal(40)
    eta = float(random.choice([0, 0.5, 1]))
    case = listed(what="step_back", schedule=SCHEDULE, **{"from": start}, to=end, guidance=guidance, eta=eta, image=image,
                  predicted=predicted, target=target, noise=noise)
    return case, stepped_back(image, predicted, target, noise, start, end, guidance, eta)


def pixel_case():
    height, width = (int(side) for side in random.integers(1, 9, size=2))
    a, b = normal(3, height, width), normal(3, height, width)
    return listed(what="pixels", width=width, height=height, target=a, image=b), np.abs(a - b).sum(0)


def cosine_case():
    channels, rows, columns = (int(side) for side in random.integers(2, 9, size=3))
    a, b = normal(channels, rows, columns), normal(channels, rows, columns)
    return listed(what="cosine", channels=channels, rows=rows, columns=columns, target=a, image=b), cosine_distance(a, b)


def map_case():
    rows, columns = (int(side) for side in random.integers(2, 9, size=2))
    height, width = rows * 4, columns * 4
    pixels, features = np.abs(normal(height, width)), np.abs(normal(rows, columns))
    weight, balance, smoothing = (float(x) for x in random.uniform(0.5, 3, size=3))
    case = listed(what="map", width=width, height=height, pixels=pixels, rows=rows, columns=columns, features=features,
                  weight=weight, balance=balance, smoothing=smoothing)
    return case, anomaly_map(pixels, features, weight, balance, smoothing)


def loop_case(denoiser, guidance, eta):
    count = 10
    target = np.clip(normal(8, 3, 16, 12) / 2, -1, 1)
    noise = normal(count if eta else 1, *target.shape)
    case = listed(what="reconstruct", schedule=SCHEDULE, denoiser=denoiser, width=12, height=16, batch=8, start=250,
                  count=count, guidance=guidance, eta=eta, target=target, noise=noise)
    return case, reconstructed(target, noise, 250, count, guidance, eta)


# ---- TAP ----


def answers(cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    run = subprocess.run([program], input=lines, capture_output=True, text=True, check=False)
    found = [json.loads(line)["values"] for line in run.stdout.splitlines()]
    if run.returncode or len(found) != len(cases):
        sys.exit(f"Bail out! {program}: {len(found)} answers, exit status {run.returncode}: {run.stderr.strip()}")
    return found


number = 0


def compare(what, draw, n, tolerance):
    global number
    number += 1
    pairs = [draw() for _ in range(n)]
    found = answers([case for case, _ in pairs])
    off = [np.abs(np.array(values) - expected.ravel()).max() if len(values) == expected.size else np.inf
           for values, (_, expected) in zip(found, pairs)]
    print(f"{'ok' if max(off) <= tolerance else 'not ok'} {number} - {what} ({n} cases, {max(off):.1e} off at most)")


print(f"# NumPy {np.__version__}")
compare("schedule", kept_case, CASES, PIECE)
compare("path", path_case, CASES, 0)
compare("noising", noise_case, CASES, PIECE)
compare("reverse step", lambda: step_case(0.0), CASES, PIECE)
compare("guided step", lambda: step_case(float(random.uniform(0.1, 8))), CASES, PIECE)
compare("pixel distance", pixel_case, CASES, PIECE)
compare("feature distance", cosine_case, CASES, PIECE)
compare("map", map_case, CASES, PIECE)
with tempfile.TemporaryDirectory() as folder:
    small = denoiser_file(folder)
    compare("eight images in ten steps", lambda: loop_case(small, 2.0, 1.0), 2, LOOP)
    compare("eight images without fresh noise", lambda: loop_case(small, 3.0, 0.0), 2, LOOP)
print(f"1..{number}")
