"""Logs of Inspect's own writer, of a mock model, for test/data/logs/30-inspect:

    python test/reference/inspect_logs.py FOLDER      (inspect_ai 0.3.285)

Files carry the time and a random id in their names; they were renamed.
"""

import sys

import tiktoken


class Bytes:
    """In place of tiktoken's vocabularies, which are downloaded: only counts of tokens go by them."""

    def encode(self, text, **_):
        return list(text.encode())

    encode_ordinary = encode


tiktoken.get_encoding = tiktoken.encoding_for_model = lambda _name: Bytes()

from inspect_ai import Task, eval, task  # noqa: E402
from inspect_ai.dataset import Sample  # noqa: E402
from inspect_ai.model import (  # noqa: E402
    ChatCompletionChoice,
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    ModelOutput,
    get_model,
)
from inspect_ai.scorer import Score, match, mean, scorer  # noqa: E402
from inspect_ai.solver import generate, system_message  # noqa: E402


@scorer(metrics={"prompt_level_strict": [mean()]})
def instruction_following():
    async def score(state, _target):
        follows = "," not in state.output.completion
        return Score(value={"prompt_level_strict": follows, "inst_level_strict": int(follows)}, explanation="x")

    return score


@task
def arithmetic():
    long = "Two and three? " + "Think well. " * 20
    return Task(
        dataset=[Sample(id="two", input="Two and two?", target="4"), Sample(id="three", input=long, target="5")],
        solver=[system_message("Be brief."), generate()],
        scorer=match(),
    )


@task
def ifeval():
    metadata = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"num_words": None}]}
    return Task(
        dataset=[Sample(id=7, input="Say hello. Do not use any commas.", target="", metadata=metadata)],
        solver=[generate()],
        scorer=instruction_following(),
    )


def said(text):
    return ModelOutput.from_content("demo-1m", text)


thought = ModelOutput(
    model="demo-1m",
    choices=[
        ChatCompletionChoice(
            message=ChatMessageAssistant(
                content=[ContentReasoning(reasoning="two plus three"), ContentText(text="It is 5")]
            )
        )
    ],
)
folder = sys.argv[1]
first = get_model("mockllm/demo-1m", custom_outputs=[said("It is 5"), thought])
second = get_model("mockllm/demo-1m", custom_outputs=[said("Hello, you."), said("Hello you")])
eval(arithmetic(), model=first, log_dir=folder, log_format="eval", display="none")
eval(ifeval(), model=second, epochs=2, log_dir=folder, log_format="json", display="none")
