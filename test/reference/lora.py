"""A tiny Qwen3 with adapters as PEFT saves them, and what PEFT merges them into. Writes test/data/lora/.

    python test/reference/lora.py
"""

import json
import shutil
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

OUT = Path(__file__).parents[1] / "data/lora"
CONFIG = transformers.Qwen3Config(
    hidden_size=32, intermediate_size=48, vocab_size=64, num_hidden_layers=2, num_attention_heads=4, head_dim=16,
    num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-6, tie_word_embeddings=True, eos_token_id=2,
    rope_parameters=dict(rope_type="default", rope_theta=10000.0))
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "plain": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
    "stabilised": dict(r=4, lora_alpha=8, target_modules=LINEAR, use_rslora=True,
                       rank_pattern={"down_proj": 2}, alpha_pattern={"down_proj": 3, "layers.1.self_attn.q_proj": 20}),
    "whole": dict(r=2, lora_alpha=4, target_modules=["o_proj"], modules_to_save=["lm_head", "norm"]),
    "embedding": dict(r=2, lora_alpha=4, target_modules=["embed_tokens", "up_proj"]),
    "dora": dict(r=2, lora_alpha=4, target_modules=["q_proj"], use_dora=True),
}


def base():
    return transformers.Qwen3ForCausalLM.from_pretrained(OUT / "base", dtype=torch.float32)


def write_config(folder, config):
    data = {k: v for k, v in json.loads(config.to_json_string()).items() if v is not None}
    (folder / "config.json").write_text(json.dumps(data | {"architectures": ["Qwen3ForCausalLM"]}, indent=1) + "\n")


shutil.rmtree(OUT, ignore_errors=True)
(OUT / "base").mkdir(parents=True)
torch.manual_seed(16)
model = transformers.Qwen3ForCausalLM._from_config(CONFIG, dtype=torch.float32)
state = {k: v + 0.1 * torch.randn_like(v) for k, v in model.state_dict().items() if k != "lm_head.weight"}
save_file(state, OUT / "base/model.safetensors", metadata={"format": "pt"})
write_config(OUT / "base", CONFIG)

for name, settings in ADAPTERS.items():
    adapted = get_peft_model(base(), LoraConfig(task_type="CAUSAL_LM", **settings))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data += 0.2 * torch.randn_like(parameter)
    adapted.save_pretrained(OUT / name)
    (OUT / name / "README.md").unlink()

for merged, adapters in {"merged-plain": ["plain"], "merged-stabilised": ["stabilised"], "merged-whole": ["whole"],
                         "merged-embedding": ["embedding"], "merged-both": ["stabilised", "whole"]}.items():
    model = base()
    for adapter in adapters:
        model = PeftModel.from_pretrained(model, OUT / adapter).merge_and_unload()
    # What is tied in the base may be apart now: what each module computes with is saved, tied or not.
    tensors = {k: v.clone().contiguous() for k, v in model.state_dict().items()}
    if merged == "merged-embedding":
        # Merging in place changes the head that shares the embedding. In training, and unmerged, it kept the base's:
        before = PeftModel.from_pretrained(base(), OUT / "embedding")
        ids = torch.arange(8)[None]
        tensors["lm_head.weight"] = load_file(OUT / "base/model.safetensors")["model.embed_tokens.weight"].clone()
        check = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**{**CONFIG.to_dict(), "tie_word_embeddings": False}))
        check.load_state_dict(tensors)
        with torch.no_grad():
            assert torch.allclose(check(ids).logits, before(ids).logits, atol=1e-5)
            assert not torch.allclose(model(ids).logits, before(ids).logits, atol=1e-2)
    tied = torch.equal(tensors["lm_head.weight"], tensors["model.embed_tokens.weight"])
    if tied:
        tensors.pop("lm_head.weight")
    if merged == "merged-both":
        (OUT / merged).mkdir()
        save_file(tensors, OUT / merged / "model.safetensors", metadata={"format": "pt"})
        config = transformers.Qwen3Config(**{**CONFIG.to_dict(), "tie_word_embeddings": tied})
        write_config(OUT / merged, config)
        continue
    start = load_file(OUT / "base/model.safetensors")
    changed = {k: v for k, v in tensors.items() if k not in start or not torch.equal(v, start[k])}
    save_file(changed, OUT / f"{merged}.safetensors", metadata={"format": "pt"})
    print(merged, "tied" if tied else "apart", len(changed))
for path in OUT.glob("*/adapter_config.json"):
    path.write_text(path.read_text().replace(json.dumps(str(OUT / "base")), '"base"'))
