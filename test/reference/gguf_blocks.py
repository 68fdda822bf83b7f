"""Blocks of random bytes of every GGUF type that Culprit reads, and their float32 by the `gguf` package.

Writes test/data/gguf/blocks.json: for each type base64 of the blocks and of the little-endian float32. A few blocks
have every byte random, so that scales may be NaN or infinite; the others have scales of a plausible size.

    python test/reference/gguf_blocks.py
"""

import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# Where the float16 scales of a block stand, in bytes.
SCALES = {
    "F32": [], "F16": [], "BF16": [],
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}

random = np.random.default_rng(16)
types = {}
for name, places in SCALES.items():
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    count = 64 if elements == 1 else 12 if elements == 32 else 6
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    for row in blocks[: count * 2 // 3]:
        for place in places:
            row[place : place + 2] = np.frombuffer(np.float16(random.normal() * 0.02).tobytes(), np.uint8)
    with np.errstate(all="ignore"):
        values = dequantize(blocks.reshape(-1), kind).astype(np.float32)
    types[name] = {
        "elements": elements,
        "bytes": size,
        "blocks": base64.b64encode(blocks.tobytes()).decode(),
        "values": base64.b64encode(values.astype("<f4").tobytes()).decode(),
    }
out = Path(__file__).parents[1] / "data/gguf/blocks.json"
out.parent.mkdir(exist_ok=True)
out.write_text(json.dumps(types, indent=1) + "\n")
