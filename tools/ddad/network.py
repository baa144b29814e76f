"""An ONNX network of convolutions as a torch module that can be trained, and back into the same ONNX file.

Enough for EfficientNet-Lite2 as velm has it: Conv, Clip, Relu and Add. Names stay, so that velm finds the same layers.
"""

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F


def same_padded(x, kernel, stride):
    """ONNX's SAME_UPPER: where the padding is odd, the extra pixel goes to the bottom and the right."""
    pads = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1]):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


class Network(nn.Module):
    """Gives the tensors named `layers`; nodes that they do not need are not run."""

    def __init__(self, path, layers):
        super().__init__()
        self.model = onnx.load(str(path))
        graph = self.model.graph
        self.input = [i.name for i in graph.input if i.name not in {t.name for t in graph.initializer}][0]
        self.layers = list(layers)
        self.nodes = self.needed(graph)
        used = {name for node in self.nodes for name in node.input}
        self.index = {}
        self.weights = nn.ParameterList()
        for tensor in graph.initializer:
            if tensor.name in used:
                self.index[tensor.name] = len(self.weights)
                value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
                # Limits of a Clip are no weights.
                self.weights.append(nn.Parameter(value, requires_grad=value.dim() > 0))

    def needed(self, graph):
        wanted, kept = set(self.layers), []
        missing = wanted - {name for node in graph.node for name in node.output}
        if missing:
            raise SystemExit(f"no layer {', '.join(sorted(missing))} in the network")
        for node in reversed(graph.node):
            if wanted & set(node.output):
                kept.append(node)
                wanted |= set(node.input)
        return kept[::-1]

    def run(self, node, values):
        inputs = [self.weights[self.index[n]] if n in self.index else values[n] for n in node.input]
        said = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Conv":
            x, weight = inputs[:2]
            stride = list(said.get("strides", [1, 1]))
            if said.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
                x = same_padded(x, weight.shape[2:], stride)
            elif any(said.get("pads", [0])):
                top, left, bottom, right = said["pads"]
                x = F.pad(x, [left, right, top, bottom])
            return F.conv2d(x, weight, inputs[2] if len(inputs) > 2 else None, stride, groups=said.get("group", 1))
        if node.op_type == "Clip":
            return inputs[0].clamp(float(inputs[1]), float(inputs[2]))
        if node.op_type == "Relu":
            return inputs[0].relu()
        if node.op_type == "Add":
            return inputs[0] + inputs[1]
        raise SystemExit(f"{node.op_type}: networks of Conv, Clip, Relu and Add alone can be fine-tuned")

    def forward(self, image):
        values = {self.input: image}
        for node in self.nodes:
            values[node.output[0]] = self.run(node, values)
        return [values[name] for name in self.layers]

    def save(self, path):
        """The ONNX file again, with the weights as they are now."""
        for tensor in self.model.graph.initializer:
            if tensor.name in self.index:
                value = self.weights[self.index[tensor.name]].detach().cpu().numpy()
                tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), tensor.name))
        onnx.save(self.model, str(path))
