"""The same work in PyTorch: transformers' Qwen3 with LXT's AttnLRP rules, for `compare.ts` and by itself.

    python reference.py --check ../data/golden/qwen3-a      compares with golden values, exit code 1 when they differ
    python reference.py --model DIR --ids FILE              prints a JSON line for each measurement
    python reference.py --model DIR --ids FILE --serve      reads {"name", "layers", "minRelevance"} lines, answers each with one run;
                                                            before that says where it runs and where it could;
                                                            {"name": "matmul", "rows", "columns", "inner", "dtype"}
                                                            gives the seconds of one product

FILE is JSON with input_ids, target and contrast; a golden.json will do. Needs torch, transformers and lxt.

A single attribution is one forward and one backward pass. The graph is built as the paper builds it (packed reference):
for each two neighbouring listed layers s < t, targets go in batches; each batch is one forward pass of the blocks s to t
from the stored hidden states, expanded to the batch, and one backward pass with each target's stored gradient seeded at
its own position. Edges are sums of hidden state times gradient. Only tokens with |relevance| above 0.01 are targets, as
in the engine. Pruning is left out, in the reference's favour.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time
from pathlib import Path

NAMES = ("attribution", "graph", "skip")
MIN_RELEVANCE = 0.01
TOLERANCE = 1e-4
LONGEST_SECONDS = 120  # as in measurement.ts

try:
    import torch
    import transformers.pytorch_utils
    from transformers import Qwen3ForCausalLM
    from transformers.models.qwen3 import modeling_qwen3

    for gone in ("find_pruneable_heads_and_indices", "prune_linear_layer"):
        if not hasattr(transformers.pytorch_utils, gone):
            # LXT 2.1 imports them for BERT, which is not used here; transformers 5 dropped them.
            setattr(transformers.pytorch_utils, gone, None)
    import lxt.efficient.models.qwen3 as lxt_qwen3
    from lxt.efficient import monkey_patch
    from lxt.efficient.patches import wrap_attention_forward
except ImportError as missing:
    sys.exit(f"reference.py: {missing}; install it with: pip install torch transformers lxt")


@functools.cache
def patch():
    """Gives transformers' Qwen3 the AttnLRP rules, for good."""
    monkey_patch(modeling_qwen3, {key: value for key, value in lxt_qwen3.attnLRP.items() if key is not modeling_qwen3})
    # LXT 2.1 replaces the table of attention functions by a plain dict, which transformers 5 does not take.
    functions = modeling_qwen3.ALL_ATTENTION_FUNCTIONS
    functions["sdpa"] = wrap_attention_forward(functions["sdpa"])


class Reference:
    """A model on a torch device, and the node states of its last attribution."""

    def __init__(self, directory, on):
        patch()
        device, dtype = on.split("-")
        self.model = Qwen3ForCausalLM.from_pretrained(directory, dtype=getattr(torch, dtype), attn_implementation="sdpa")
        self.model = self.model.to(device).eval().requires_grad_(False)
        self.device = device
        where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
        self.adapter = f"PyTorch {torch.__version__} on {where}, {dtype}"

    @property
    def layers(self):
        return len(self.model.model.layers)

    def blocks(self, hidden, first, last):
        """Residual streams after each of the blocks first to last - 1."""
        positions = torch.arange(hidden.shape[1], device=self.device)[None]
        angles = self.model.model.rotary_emb(hidden, positions)
        streams = []
        for layer in self.model.model.layers[first:last]:
            hidden = layer(hidden, position_embeddings=angles, attention_mask=None, position_ids=positions)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            streams.append(hidden)
        return streams

    def attribution(self, case):
        """Node relevance [layers + 1, tokens]; states and gradients are kept for edges."""
        ids = torch.tensor([case["input_ids"]], device=self.device)
        embeddings = self.model.model.embed_tokens(ids).detach().requires_grad_()
        nodes = [embeddings, *self.blocks(embeddings, 0, self.layers)]
        logits = self.model.lm_head(self.model.model.norm(nodes[-1][:, -1])).float()[0]
        gradients = torch.autograd.grad(logits[case["target"]] - logits[case["contrast"]], nodes)
        self.nodes = [node.detach() for node in nodes]
        self.gradients = gradients
        return torch.cat([relevance(node, gradient) for node, gradient in zip(self.nodes, gradients)]).cpu()

    def graph(self, case, layers, batch, min_relevance=MIN_RELEVANCE):
        """Node relevance, and for each transition its target tokens and their edges [targets, tokens]."""
        nodes = self.attribution(case)
        transitions = []
        for source, target in zip(layers, layers[1:]):
            last = len(case["input_ids"]) - 1
            tokens = [
                token for token, value in enumerate(nodes[target].abs().tolist())
                if value > min_relevance or min_relevance == 0 or (target == self.layers and token == last)
            ]
            rows = [self.edges(source, target, tokens[at:at + batch]) for at in range(0, len(tokens), batch)]
            transitions.append((tokens, torch.cat(rows).cpu() if rows else torch.zeros(0, last + 1)))
        return nodes, transitions

    def edges(self, source, target, tokens):
        """Edges [targets, tokens] of one batch of targets."""
        hidden = self.nodes[source].expand(len(tokens), -1, -1).contiguous().requires_grad_()
        output = self.blocks(hidden, source, target)[-1]
        seed = torch.zeros_like(output)
        for row, token in enumerate(tokens):
            seed[row, token] = self.gradients[target][0, token]
        (gradient,) = torch.autograd.grad(output, hidden, seed)
        return relevance(hidden.detach(), gradient)

    def matmul(self, rows, columns, inner, dtype, runs=20):
        """Seconds of x [rows, inner] W^T, W [columns, inner], without TF32; the median after a warm-up."""
        torch.backends.cuda.matmul.allow_tf32 = False
        x = torch.randn(rows, inner, device=self.device, dtype=getattr(torch, dtype))
        weight = torch.randn(columns, inner, device=self.device, dtype=getattr(torch, dtype))
        times = []
        for _ in range(runs + 3):
            self.synchronize()
            start = time.perf_counter()
            torch.nn.functional.linear(x, weight)
            self.synchronize()
            times.append(time.perf_counter() - start)
        return {"seconds": statistics.median(times[3:])}

    def synchronize(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def run(self, name, layers, case, batch, min_relevance=MIN_RELEVANCE):
        """One timed run, as a dictionary."""
        reset_peak(self.device)
        start = time.perf_counter()
        if name == "attribution":
            nodes, transitions = self.attribution(case), []
        else:
            nodes, transitions = self.graph(case, layers, batch, min_relevance)
        self.synchronize()
        seconds = time.perf_counter() - start
        return {
            "seconds": seconds,
            "peakBytes": peak_bytes(self.device),
            "nodeRelevance": nodes.flatten().tolist(),
            "totalMass": [rows.abs().sum().item() for _, rows in transitions],
            "targets": sum(len(tokens) for tokens, _ in transitions),
        }


def relevance(node, gradient):
    return (node.float() * gradient.float()).sum(-1)


def reset_peak(device):
    if device == "cuda":
        return torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # Not Linux, or forbidden: the peak is that of the whole process.


def peak_bytes(device):
    """Largest memory since `reset_peak`: of the device's tensors, or the process's resident memory."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def listed_layers(name, layers):
    """Node layers that a graph's transitions join; as skipLayers in models.ts."""
    if name == "graph":
        return list(range(layers + 1))
    parts = 4 if layers >= 8 else 2
    return [int(part * layers / parts + 0.5) for part in range(parts + 1)]


def check(directory):
    """Compares with golden values; returns whether all are near."""
    from safetensors.torch import load_file
    golden = load_file(Path(directory, "golden.safetensors"))
    case = json.loads(Path(directory, "golden.json").read_text())
    reference = Reference(directory, "cpu-float32")
    wanted = {"attnlrp.node_relevance": None}
    wanted.update({f"attnlrp.edges.{layer}": [layer, layer + 1] for layer in range(reference.layers)})
    for key in golden:
        if key.startswith("attnlrp.edges_skip."):
            wanted[key] = [int(layer) for layer in key.rsplit(".", 1)[1].split("_")]
    good = True
    for key, layers in wanted.items():
        if layers:
            # A batch of 8 leaves a last batch that is not full.
            _, [(_, found)] = reference.graph(case, layers, batch=8, min_relevance=0)
        else:
            found = reference.attribution(case)
        error = ((found - golden[key]).abs().max() / golden[key].abs().max()).item()
        good = good and error <= TOLERANCE
        print(json.dumps({"name": f"check {key}", "relativeError": error, "tolerance": TOLERANCE}), flush=True)
    return good


def measure(reference, name, case, batch, runs):
    """Prints a measurement of `runs` runs after a first one, in the fields of measurement.ts."""
    layers = listed_layers(name, reference.layers)
    begin = time.perf_counter()
    first = reference.run(name, layers, case, batch)
    all_runs = []
    while not all_runs or (len(all_runs) < runs and time.perf_counter() - begin < LONGEST_SECONDS):
        all_runs.append(reference.run(name, layers, case, batch))
    shape = f"{len(case['input_ids'])} tokens, attnlrp"
    if name != "attribution":
        shape += f", node layers {','.join(map(str, layers))}, batches of {batch}"
    print(json.dumps({
        "name": name,
        "adapter": reference.adapter,
        "shape": shape,
        "seconds": statistics.median(run["seconds"] for run in all_runs),
        "firstSeconds": first["seconds"],
        "runs": len(all_runs),
        "gflops": None,
        "shareOfPeak": None,
        "peakBytes": max(run["peakBytes"] or 0 for run in all_runs),
        "targets": first["targets"] or None,
        "machine": machine(),
        "load": os.getloadavg()[0],
    }), flush=True)


def machine():
    try:
        text = Path("/proc/cpuinfo").read_text()
        model = next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        model = "unknown processor"
    return f"{model}, {os.cpu_count()} cores"


def serve(reference, places, case, batch):
    """Answers each line of standard input with one run."""
    print(json.dumps({"adapter": reference.adapter, "places": places}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["name"] == "matmul":
            answer = reference.matmul(request["rows"], request["columns"], request["inner"], request["dtype"])
            print(json.dumps(answer), flush=True)
            continue
        bound = request.get("minRelevance", MIN_RELEVANCE)
        print(json.dumps(reference.run(request["name"], request.get("layers"), case, batch, bound)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", metavar="GOLDEN_DIR")
    parser.add_argument("--model", metavar="DIR")
    parser.add_argument("--ids", metavar="FILE")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16, help="targets in a batch (default 16)")
    parser.add_argument("--only", default=",".join(NAMES), help="comma-separated: " + ", ".join(NAMES))
    parser.add_argument("--on", help="cpu-float32, cuda-float32 or cuda-bfloat16; comma-separated unless --serve. "
                        "Default: both of cuda's where there is CUDA, else the CPU's")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.check:
        sys.exit(0 if check(options.check) else 1)
    if not options.model or not options.ids:
        parser.error("--model and --ids, or --check, are needed")
    case = json.loads(Path(options.ids).read_text())
    default = "cuda-bfloat16,cuda-float32" if torch.cuda.is_available() else "cpu-float32"
    places = (options.on or default).split(",")
    if options.serve:
        return serve(Reference(options.model, places[0]), places, case, options.batch)
    for on in places:
        reference = Reference(options.model, on)
        for name in options.only.split(","):
            measure(reference, name, case, options.batch, options.runs)
        del reference


if __name__ == "__main__":
    main()
