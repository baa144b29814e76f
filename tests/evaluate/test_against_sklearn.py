#!/usr/bin/env python3
"""Compares each of velm's metrics with scikit-learn's on 1,000 random cases, with ties, empty ones and ones of a
single class among them. AUPRO, which scikit-learn lacks, is held against its definition in NumPy and SciPy.

VELM_METRICS_OF_CASES names the program that computes velm's (metrics_of_cases.c), VELM_TEST_PYTHON a Python that has
scikit-learn (`make test` installs it). Prints TAP.
"""

import json
import os
import subprocess
import sys
import warnings

CASES = 1000
TOLERANCE = 1e-9
LIMITS = (0.3, 0.05, 0.5, 1.0)

# Set-up's Python rather than the system's, which rarely has scikit-learn.
better = os.environ.get("VELM_TEST_PYTHON")
if better and os.access(better, os.X_OK) and os.environ.get("VELM_TEST_PYTHON_USED") != better:
    os.environ["VELM_TEST_PYTHON_USED"] = better
    os.execv(better, [better, *sys.argv])

program = os.environ.get("VELM_METRICS_OF_CASES")
if not program:
    print("1..0 # SKIP VELM_METRICS_OF_CASES is not set")
    sys.exit()
try:
    import numpy as np
    import sklearn
    from scipy import ndimage
    from sklearn import metrics
except ImportError as error:
    print(f"1..0 # SKIP {error} (make test installs it)")
    sys.exit()


# ---- cases ----


def draw_scores(random, n):
    """From a few levels, so that most are tied, to none tied at all; sometimes negative."""
    kind = random.integers(4)
    if kind == 0:
        return random.normal(size=n)
    if kind == 1:
        return np.full(n, random.normal())
    return random.integers(-3, random.integers(-2, 12), size=n) / 8


def draw_truth(random, n):
    """Of all shares of positives, none and all among them."""
    share = random.choice([0, 0.05, 0.3, 0.5, 0.9, 1])
    return (random.random(n) < share).astype(int)


def image_case(random):
    n = int(random.choice([0, 1, 2, *random.integers(3, 20, size=2), *random.integers(20, 120, size=2)]))
    return {"scores": draw_scores(random, n).tolist(), "positive": draw_truth(random, n).tolist()}


def draw_mask(random, height, width):
    """Of blobs, so that regions have more than one pixel; or of single pixels."""
    mask = draw_truth(random, height * width).reshape(height, width)
    if random.random() < 0.5:
        mask = ndimage.binary_opening(mask, np.ones((1, 2))).astype(int)
    return mask


def draw_map(random):
    height, width = (int(side) for side in random.integers(1, 13, size=2))
    scores = draw_scores(random, height * width).astype(np.float32)
    mask = None if random.random() < 0.2 else draw_mask(random, height, width).ravel().tolist()
    return {"width": width, "height": height, "map": [float(score) for score in scores], "mask": mask}


def pixel_case(random):
    return {"maps": [draw_map(random) for _ in range(random.integers(0, 4))], "limit": float(random.choice(LIMITS))}


def class_case(random):
    n_classes = int(random.integers(1, 7))
    n = int(random.choice([0, 1, 2, random.integers(3, 60)]))
    truths = random.integers(random.integers(1, n_classes + 1), size=n)
    wrong = random.random(n) < random.choice([0, 0.2, 0.6, 1])
    answers = np.where(wrong, random.integers(n_classes, size=n), truths)
    return {"n_classes": n_classes, "truths": truths.tolist(), "answers": answers.tolist()}


# ---- what is right ----
# Where scikit-learn has no answer, or makes one up (0 or 1) with a warning, velm's is NaN by contract.


def auroc(positive, scores):
    return metrics.roc_auc_score(positive, scores) if len(set(positive)) == 2 else np.nan


def average_precision(positive, scores):
    return metrics.average_precision_score(positive, scores) if any(positive) else np.nan


def f1_curve(positive, scores):
    """The F1 at each threshold, from the lowest on."""
    precision, recall, thresholds = metrics.precision_recall_curve(positive, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return f1[:-1], thresholds


def image_figures(case):
    positive, scores = case["positive"], case["scores"]
    figures = {"auroc": auroc(positive, scores), "average_precision": average_precision(positive, scores)}
    figures["f1_max"] = figures["f1_threshold"] = np.nan
    if any(positive):
        f1, thresholds = f1_curve(positive, scores)
        figures["f1_max"] = f1.max()
        figures["f1_threshold"] = thresholds[np.flatnonzero(f1 > f1.max() - 1e-12)[-1]]
    return figures


def label_regions(case):
    """All pixels of a case: scores, and the number of the region that each is of, 0 for normal."""
    scores, regions, n_regions = [np.zeros(0)], [np.zeros(0, int)], 0
    for one in case["maps"]:
        mask = np.zeros(one["width"] * one["height"], int) if one["mask"] is None else np.array(one["mask"])
        labels, n = ndimage.label(mask.reshape(one["height"], one["width"]), np.ones((3, 3)))
        scores.append(np.array(one["map"]))
        regions.append(np.where(labels > 0, labels + n_regions, 0).ravel())
        n_regions += n
    return np.concatenate(scores), np.concatenate(regions), n_regions


def aupro(scores, regions, n_regions, limit):
    """Every threshold in turn, every region counted afresh; the integral ends at the limit."""
    normal = scores[regions == 0]
    if not n_regions or not len(normal):
        return np.nan
    x, y = [0.0], [0.0]
    for threshold in np.unique(scores)[::-1]:
        x.append(np.mean(normal >= threshold))
        y.append(np.mean([np.mean(scores[regions == i + 1] >= threshold) for i in range(n_regions)]))
    area = 0.0
    for x0, y0, x1, y1 in zip(x, y, x[1:], y[1:]):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            area += (end - x0) * (y0 + y0 + (y1 - y0) * (end - x0) / (x1 - x0)) / 2
    return area / limit


def pixel_figures(case):
    scores, regions, n_regions = label_regions(case)
    positive = (regions > 0).tolist()
    return {
        "auroc": auroc(positive, scores),
        "average_precision": average_precision(positive, scores),
        "aupro": aupro(scores, regions, n_regions, case["limit"]),
    }


def kappa(truths, answers):
    return np.nan if len(set(truths) | set(answers)) == 1 else metrics.cohen_kappa_score(truths, answers)


def class_figures(case):
    truths, answers, labels = case["truths"], case["answers"], list(range(case["n_classes"]))
    figures = {"confusion": [0] * len(labels) ** 2, "recall": [np.nan] * len(labels)}
    figures |= {"precision": figures["recall"], "f1": figures["recall"]}
    names = ("accuracy", "macro_accuracy", "macro_f1", "micro_f1", "cohen_kappa")
    if not truths:
        return figures | dict.fromkeys(names, np.nan)
    figures["confusion"] = metrics.confusion_matrix(truths, answers, labels=labels).ravel().tolist()
    figures["precision"], figures["recall"], figures["f1"], _ = metrics.precision_recall_fscore_support(
        truths, answers, labels=labels, zero_division=np.nan
    )
    return figures | {
        "accuracy": metrics.accuracy_score(truths, answers),
        "macro_accuracy": metrics.balanced_accuracy_score(truths, answers),
        "macro_f1": metrics.f1_score(truths, answers, average="macro"),
        "micro_f1": metrics.f1_score(truths, answers, average="micro"),
        "cohen_kappa": kappa(truths, answers),
    }


# ---- comparison ----


def measure(cases):
    """What velm says of each case, null as NaN."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    run = subprocess.run([program], input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode or len(answers) != len(cases):
        sys.exit(f"Bail out! {program}: {len(answers)} answers, exit status {run.returncode}: {run.stderr.strip()}")
    for answer in answers:
        for name in ("recall", "precision", "f1") if "by_class" in answer else ():
            answer[name] = [one[name] for one in answer["by_class"]]
    return answers


def as_array(value):
    return np.array(value, dtype=float)  # None becomes NaN


def differ(value, expected):
    value, expected = as_array(value), as_array(expected)
    return value.shape != expected.shape or not np.allclose(value, expected, rtol=0, atol=TOLERANCE, equal_nan=True)


def compare(what, draw, reference, names):
    """One line of TAP a metric, which says how many of its cases are not NaN."""
    global number
    random = np.random.default_rng(1)
    cases = [draw(random) for _ in range(CASES)]
    answers = measure(cases)
    expected = [reference(case) for case in cases]
    for name in names:
        number += 1
        wrong = [i for i in range(CASES) if differ(answers[i][name], expected[i][name])]
        defined = sum(not np.isnan(as_array(figures[name])).all() for figures in expected)
        # A comparison of NaN alone would say nothing.
        ok = not wrong and CASES / 4 < defined <= CASES
        print(f"{'ok' if ok else 'not ok'} {number} - {what}: {name} ({CASES} cases, {defined} defined)")
        if wrong:
            i = wrong[0]
            print(f"# {len(wrong)} differ; the first: {answers[i][name]}, not {expected[i][name]}")
            print(f"# {json.dumps(cases[i])}")


number = 0
warnings.simplefilter("ignore")
sklearn.set_config(assume_finite=True, skip_parameter_validation=True)  # half as slow
print(f"# scikit-learn {sklearn.__version__}, NumPy {np.__version__}")
compare("images", image_case, image_figures, ("auroc", "average_precision", "f1_max", "f1_threshold"))
compare("pixels", pixel_case, pixel_figures, ("auroc", "average_precision", "aupro"))
compare(
    "classes",
    class_case,
    class_figures,
    (
        "accuracy",
        "macro_accuracy",
        "macro_f1",
        "micro_f1",
        "cohen_kappa",
        "confusion",
        "recall",
        "precision",
        "f1",
    ),
)
print(f"1..{number}")
