"""Tiny Qwen3 folders whose matrices are quantised as FP8 with block scales, GPTQ and AWQ, and what they stand for.

Codes, zeros and scales are random, so that every bit counts. The float32 of each matrix is computed by transformers
(FP8), by AutoGPTQ's own QuantLinear on the identity, and by AutoAWQ's dequantize_gemm. Writes test/data/quantised/.

    pip download --no-deps auto-gptq==0.7.1 autoawq==0.2.9, unpack both into a folder, and
    python test/reference/quantised_folders.py FOLDER
"""

import hashlib
import importlib.util
import json
import sys
import types
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers.integrations.finegrained_fp8 import Fp8Dequantize

SOURCES = Path(sys.argv[1])
OUT = Path(__file__).parents[1] / "data/quantised"
CONFIG = transformers.Qwen3Config(
    hidden_size=32, intermediate_size=64, vocab_size=64, num_hidden_layers=2, num_attention_heads=4, head_dim=16,
    num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-6, tie_word_embeddings=True, eos_token_id=2,
    rope_parameters=dict(rope_type="default", rope_theta=10000.0))
GROUP = 16


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, next(SOURCES.rglob(path)))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def integers(*shape):
    return torch.randint(-(2**31), 2**31, shape, dtype=torch.int64).to(torch.int32)


def fp8(rows, columns):
    weight = torch.randint(0, 256, (rows, columns), dtype=torch.uint8)
    weight[(weight & 0x7F) == 0x7F] = 0  # not a number
    weight = weight.view(torch.float8_e4m3fn)
    scale = torch.rand(-(-rows // GROUP), -(-columns // GROUP)) * 0.001
    if columns == 64:
        scale = scale.bfloat16()
    full = Fp8Dequantize(None)._dequantize_one(weight, scale.float(), torch.float32)
    return {"weight": weight, "weight_scale_inv": scale}, full


def gptq(rows, columns):
    quant = load("auto_gptq/nn_modules/qlinear/qlinear_cuda.py", "auto_gptq.nn_modules.qlinear.qlinear_cuda").QuantLinear
    layer = quant(4, GROUP, columns, rows, bias=False, weight_dtype=torch.float32)
    parts = {
        "qweight": integers(columns // 8, rows),
        "qzeros": integers(columns // GROUP, rows // 8),
        "scales": (torch.rand(columns // GROUP, rows) * 0.02).half(),
        # As with desc_act: inputs of a group lie anywhere.
        "g_idx": (torch.arange(columns) // GROUP)[torch.randperm(columns)].to(torch.int32),
    }
    layer.qweight, layer.qzeros, layer.scales, layer.g_idx = (
        parts["qweight"], parts["qzeros"], parts["scales"].float(), parts["g_idx"])
    return parts, layer(torch.eye(columns)).T.contiguous()


def awq(rows, columns):
    packing = load("awq/utils/packing_utils.py", "packing_utils")
    parts = {
        "qweight": integers(columns, rows // 8),
        "qzeros": integers(columns // GROUP, rows // 8),
        "scales": (torch.rand(columns // GROUP, rows) * 0.02).half(),
    }
    full = packing.dequantize_gemm(parts["qweight"], parts["qzeros"], parts["scales"].float(), 4, GROUP)
    return parts, full.T.contiguous()


# AutoGPTQ's package imports CUDA extensions: only this module of it is needed.
for name in ["auto_gptq", "auto_gptq.nn_modules", "auto_gptq.nn_modules.qlinear"]:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []

METHODS = {
    "fp8": (fp8, {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                  "weight_block_size": [GROUP, GROUP], "modules_to_not_convert": ["lm_head"]}),
    "gptq": (gptq, {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": True, "sym": False,
                    "checkpoint_format": "gptq"}),
    "awq": (awq, {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm", "zero_point": True,
                  "modules_to_not_convert": None}),
}

golden = {}
for method, (quantise, settings) in METHODS.items():
    torch.manual_seed(16)
    model = transformers.Qwen3ForCausalLM._from_config(CONFIG, dtype=torch.float32)
    tensors, expected = {}, {}
    for name, value in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        if "_proj" in name:
            parts, full = quantise(*value.shape)
            assert full.shape == value.shape and full.dtype == torch.float32
            for part, tensor in parts.items():
                tensors[f"{name.removesuffix('.weight')}.{part}"] = tensor.contiguous()
        else:
            full = (value + 0.1 * torch.randn_like(value)).bfloat16()
            tensors[name] = full.contiguous()
            full = full.float()
        expected[name] = hashlib.sha256(full.contiguous().numpy().tobytes()).hexdigest()
    folder = OUT / method
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {k: v for k, v in json.loads(CONFIG.to_json_string()).items() if v is not None}
    config |= {"architectures": ["Qwen3ForCausalLM"], "quantization_config": settings}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    golden[method] = expected
(OUT / "expected.json").write_text(json.dumps(golden, indent=1) + "\n")
