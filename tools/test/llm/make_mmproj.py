#!/usr/bin/env python3
"""Write a vision projector of random weights for llama-server: make_mmproj.py FILE.gguf

It fits SmolLM2-135M: images of 448 x 448 in patches of 28 become 256 tokens of 576 numbers. What a model
sees through it means nothing; that it takes images at all is what the tests need. The same numbers each time.
"""

import sys

import gguf
import numpy as np

IMAGE, PATCH, OUTPUT = 448, 28, 576
WIDTH, HIDDEN, HEADS = 64, 128, 2
# A projector of the kind "mlp" reads the output of the last layer but one: only the first of two is computed.
LAYERS = 2


def layers_of(width, hidden):
    """Shapes of a layer's tensors, by name; a vector that ends in weight scales, one in bias shifts."""
    shapes = {"ffn_up.weight": (hidden, width), "ffn_up.bias": (hidden,), "ffn_down.weight": (width, hidden),
              "ffn_down.bias": (width,)}
    for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
        shapes |= {f"{name}.weight": (width, width), f"{name}.bias": (width,)}
    for name in ("ln1", "ln2"):
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    return shapes


def shapes():
    yield "v.patch_embd.weight", (WIDTH, 3, PATCH, PATCH)
    yield "v.position_embd.weight", ((IMAGE // PATCH) ** 2, WIDTH)
    for layer in range(LAYERS):
        for name, shape in layers_of(WIDTH, HIDDEN).items():
            yield f"v.blk.{layer}.{name}", shape
    yield from (("mm.0.weight", (OUTPUT, WIDTH)), ("mm.0.bias", (OUTPUT,)))
    yield from (("mm.2.weight", (OUTPUT, OUTPUT)), ("mm.2.bias", (OUTPUT,)))


def weights(random, name, shape):
    if len(shape) == 1:
        return np.full(shape, name.endswith("weight"), np.float32)
    # Variances are kept through the layers; embeddings of the model's own words have a deviation of about 0.1.
    scale = 1 / np.sqrt(np.prod(shape[1:])) if not name.startswith("mm.2") else 0.1 / np.sqrt(shape[1])
    return (scale * random.standard_normal(shape)).astype(np.float16 if len(shape) == 2 else np.float32)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_mmproj.py FILE.gguf")
    writer = gguf.GGUFWriter(sys.argv[1], "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    for key, value in {"image_size": IMAGE, "patch_size": PATCH, "embedding_length": WIDTH,
                       "feed_forward_length": HIDDEN, "projection_dim": OUTPUT, "block_count": LAYERS,
                       "attention.head_count": HEADS}.items():
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    for key in ("image_mean", "image_std"):
        writer.add_array(f"clip.vision.{key}", [0.5, 0.5, 0.5])
    random = np.random.default_rng(20250502)
    for name, shape in shapes():
        values = weights(random, name, shape)
        if name == "v.position_embd.weight":
            values = values.astype(np.float32)
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
