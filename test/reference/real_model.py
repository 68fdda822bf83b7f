"""What SmolLM2-135M-Instruct must give, for test/real_model.test.ts. FOLDER holds the model in float32.

    python3 test/reference/real_model.py relevance GOLDEN test/data/real       (from LXT's values: smollm2.safetensors, .json)
    python3 test/reference/real_model.py greedy FOLDER test/data/real          (torch, transformers 5.24)

`relevance` keeps token ids and node relevance of every node layer. `greedy` writes completions of 20 IFEval prompts, token
by token, with the gap between the two largest logits at each.
"""

import gzip
import json
import sys
from pathlib import Path

PROMPTS = 20
NEW_TOKENS = 32


def relevance(golden, out):
    from safetensors.torch import load_file, save_file

    tensors = load_file(Path(golden, "smollm2.safetensors"))
    kept = {name: value for name, value in tensors.items() if not name.endswith("logits_last")}
    save_file(kept, Path(out, "smollm2.safetensors"))
    Path(out, "smollm2.json").write_text(Path(golden, "smollm2.json").read_text())


def greedy(folder, out):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    with gzip.open(Path(__file__).parents[1] / "data/ifeval/input_data.jsonl.gz", "rt") as file:
        lines = [json.loads(line) for line in file][:PROMPTS]
    rows = []
    for line in lines:
        chat = [{"role": "user", "content": line["prompt"]}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
        ids, gaps, past, last = [], [], None, torch.tensor([prompt])
        with torch.no_grad():
            while len(ids) < NEW_TOKENS:
                result = model(last, past_key_values=past, use_cache=True)
                past, logits = result.past_key_values, result.logits[0, -1]
                top = torch.topk(logits, 2).values
                token = int(logits.argmax())
                gaps.append(round((top[0] - top[1]).item(), 6))
                if token in ends:
                    break
                ids.append(token)
                last = torch.tensor([[token]])
        rows.append(dict(prompt=prompt, ids=ids, gaps=gaps))
        print(line["key"], len(prompt), len(ids), min(gaps), flush=True)
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    Path(out, "greedy.json").write_text(f"[\n{text}\n]\n")


{"relevance": relevance, "greedy": greedy}[sys.argv[1]](sys.argv[2], sys.argv[3])
