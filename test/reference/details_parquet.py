"""Rows in the shapes of lighteval's and the Open LLM Leaderboard's details, written by pyarrow, for test/data/logs:

    python test/reference/details_parquet.py test/data/logs      (pyarrow)

Shapes: huggingface/lighteval, src/lighteval/logging/{info_loggers,evaluation_tracker}.py at 3fd15266 (doc, model_response,
metric), ed084813 (full_prompt, predictions, metrics) and in March 2024 (the same, every value as Python's text).
lighteval writes "lighteval|gsm8k|0" where these files have "gsm8k": Windows has no such names.
"""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(sys.argv[1])
QUESTION = "Two and two?"


def write(name, rows, compression):
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, compression=compression)


def present(id, query, choice, score):
    return {
        "doc": {
            "query": query,
            "choices": [choice],
            "gold_index": [0],
            "instruction": None,
            "specific": None,
            "task_name": "gsm8k|0",
            "id": id,
            "fewshot_samples": [],
        },
        "metric": {"extractive_match": score},
        "model_response": {
            "input": query,
            "input_tokens": [1, 2],
            "text": ["It is 5."],
            "output_tokens": [[3, 4]],
            "logprobs": [],
            "reasonings": [],
            "text_post_processed": None,
        },
    }


def older(example, predictions, metrics):
    lists = ["choices", "cont_tokens", "gold_index", "input_tokens", "padded", "pred_logits", "prediction_logits", "truncated"]
    return {
        **{name: [] for name in lists},
        "example": example,
        "full_prompt": example,
        "gold": ["4"],
        "instruction": "",
        "metrics": metrics,
        "num_asked_few_shots": 0,
        "num_effective_few_shots": 0,
        "predictions": predictions,
        "specifics": {"x": None},
    }


def as_text(row):
    return {name: str(value) for name, value in row.items()}


TIME = "2026-11-01T10-00-00.000000"
write(
    f"31-lighteval/details/demo-1m/{TIME}/details_gsm8k_{TIME}.parquet",
    [present("0", QUESTION, " 4", 0.0), present("1", "Two and three?", " 5", 1.0)],
    "zstd",
)
TIME = "2024-05-01T10-00-00.000000"
write(
    f"32-lighteval-2024/details/demo-1m/{TIME}/details_math_{TIME}.parquet",
    [older(QUESTION, ["5", "4"], {"qem": 0.0, "maj@4": 1.0})],
    "snappy",
)
TIME = "2023-09-01T10-00-00.000000"
write(
    f"33-leaderboard-1/details_demo-1m/{TIME}/details_gsm8k_{TIME}.parquet",
    [
        as_text(older(QUESTION, ["It's \"5\"\nDone"], {"acc": 0.0})),
        as_text(older("2+3?", [-1.5, -2.0], {"acc": 1.0})),
    ],
    "gzip",
)
write(
    "34-leaderboard-2/samples.parquet",
    [
        {
            "doc_id": 0,
            "doc": json.dumps({"question": QUESTION, "answer": "4"}),
            "target": "4",
            "arguments": {"gen_args_0": {"arg_0": QUESTION, "arg_1": {"until": ["\n"]}}},
            "resps": [["5"]],
            "filtered_resps": ["5"],
            "doc_hash": "a",
            "prompt_hash": "b",
            "target_hash": "c",
            "exact_match": 0.0,
            "filter": "none",
            "metrics": ["exact_match"],
        }
    ],
    "brotli",
)
write(
    "38-columns/demo-1m.parquet",
    [
        {"question": QUESTION, "output": {"text": "5"}, "ok": 0, "row": 7},
        {"question": "Two and three?", "output": {"text": "5"}, "ok": 1, "row": 8},
    ],
    "lz4",
)
