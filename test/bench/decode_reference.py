"""transformers' greedy decoding of a batch of prompts, for `decode.ts`.

    python decode_reference.py --model DIR

reads lines {"prompts": [[id, ...], ...], "maxTokens": N} and answers each with
{"ids": [[id, ...], ...], "seconds": ..., "processorSeconds": ...}; before that it says where it runs. Prompts are padded
on the left to the longest, in float32 on the CPU. Needs torch and transformers.
"""

import argparse
import itertools
import json
import os
import sys
import time

import torch
from transformers import AutoModelForCausalLM


def complete(model, prompts, most):
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    with torch.inference_mode():
        found = model.generate(ids, attention_mask=mask, max_new_tokens=most, do_sample=False, pad_token_id=0)
    return [list(itertools.takewhile(lambda token: token not in ends, row[longest:].tolist())) for row in found]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, metavar="DIR")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32).eval()
    model.generation_config.temperature = model.generation_config.top_p = model.generation_config.top_k = None
    print(json.dumps({"adapter": f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, float32"}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        start, processor = time.perf_counter(), time.process_time()
        ids = complete(model, request["prompts"], request["maxTokens"])
        print(json.dumps({
            "ids": ids,
            "seconds": time.perf_counter() - start,
            "processorSeconds": time.process_time() - processor,
        }), flush=True)


if __name__ == "__main__":
    main()
