"""Culprit from Python: one file to copy. Standard library and numpy; data frames need pandas.

    from culprit import Culprit

    server = Culprit()                                     # http://localhost:4000, or Culprit(address, token)
    answer = server.ask("What is 2 + 2?")                  # prompt, tokens, and what else could have been said
    why = answer.explain(3, answer.tokens[3]["alternatives"][0]["id"])
    why                                                    # in a notebook: the heatmap
    why.relevance()                                        # numpy, [layers + 1, tokens], logit units
    failures = server.cases(status="CLEAN", limit=50)
    server.attribute(failures).wait()
    server.frame(failures)                                 # pandas: a row for each case

Run as a program it asks the demo model one question and prints the strongest tokens: `python culprit.py [ADDRESS]`.
"""

import io
import json
import os
import sys
import time
import urllib.error
import urllib.request
from html import escape

import numpy as np

ENDED = ("COMPLETED", "FAILED", "CANCELLED")
PAGE = 100

ATTRIBUTION = """
  id rule logitDifference tokenCount layers download outcome pattern adapter seconds
  model { name }
  tokenPair { id target { id text logit } contrast { id text logit } failureCase { id key } }
"""
CASE = """
  id key benchmark status delta tokenCount model { name } completion
  tokenPairs { id delta target { id text } contrast { id text } attributions { id rule outcome pattern } }
"""
JOB = "id kind status done total message error { message }"


class CulpritError(Exception):
    """What the server says of a request: one line with what is wrong, where, and how to mend it."""


class Culprit:
    """A server. `token` is one of its CULPRIT_TOKENS; the variable CULPRIT_TOKEN of the environment when left out."""

    def __init__(self, address="http://localhost:4000", token=None):
        self.address = address.rstrip("/")
        self.token = token or os.environ.get("CULPRIT_TOKEN")

    def query(self, document, **variables):
        """The data of a GraphQL operation. Raises CulpritError for errors, and for an InputError asked for as
        `__typename ... on InputError { problem: message }`."""
        body = json.dumps({"query": document, "variables": variables}).encode()
        answer = json.loads(self._fetch("/graphql", body))
        if answer.get("errors"):
            raise CulpritError("; ".join(error["message"] for error in answer["errors"]))
        for result in answer["data"].values():
            if isinstance(result, dict) and result.get("__typename") == "InputError":
                raise CulpritError(result["problem"])
        return answer["data"]

    def models(self):
        """Names of the models that were added."""
        return [row["name"] for row in self._rows("models", "id name", None, None)]

    def cases(self, limit=PAGE, **conditions):
        """Failure cases, the newest first: dictionaries. Conditions are those of FailureCaseFilter: search, model,
        benchmark, status ("CLEAN", "OPEN", "EXCLUDED"), attributed, delta={"min": 1}, ..."""
        return self._rows("failureCases", CASE, "FailureCaseFilter", conditions, limit)

    def attributions(self, limit=PAGE, **conditions):
        """Attributions, the newest first. Conditions are those of AttributionFilter: rule, model, benchmark, outcome,
        pattern, token, search, ..."""
        rows = self._rows("attributions", ATTRIBUTION, "AttributionFilter", conditions, limit)
        return [Attribution(self, row) for row in rows]

    def ask(self, chat=None, *, prompt=None, system=None, prefix="", model=None, max_tokens=256, alternatives=10):
        """Answers a chat message, or a plain `prompt`, greedily; by the newest model unless one is named."""
        asked = {
            "model": model or self._newest_model(), "chat": chat, "prompt": prompt, "system": system,
            "prefix": prefix, "maxTokens": max_tokens, "alternatives": alternatives,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        job = self._mutate("generate", "GenerateInput", given, f"... on Job {{ {JOB} }}")
        return Answer(self, Job(self, job).wait())

    def explain(self, contrast, *, target=None, rule="ATTNLRP", **place):
        """Why a model said `target` (its own choice when left out) and not `contrast`: token ids, or texts whose first
        token is meant. `place` is model with chat or prompt, and prefix; or at={"job", "position"}."""
        given = {**place, "contrast": _token(contrast), "rule": rule}
        if target is not None:
            given["target"] = _token(target)
        explained = self._mutate("explain", "ExplainInput", given, f"... on Explanation {{ note job {{ {JOB} }} }}")
        job = Job(self, explained["job"]).wait()
        found = self.query(
            f"query ($id: ID!) {{ job(id: $id) {{ attributions(first: 1) {{ nodes {{ {ATTRIBUTION} }} }} }} }}", id=job.id
        )
        return Attribution(self, found["job"]["attributions"]["nodes"][0], note=explained["note"])

    def attribute(self, cases=None, *, rule="ATTNLRP", **conditions):
        """A job that attributes the token pairs of these cases, or of those that an AttributionFilter names."""
        given = {"rule": rule}
        if cases is not None:
            given["tokenPairIds"] = [pair["id"] for case in cases for pair in case["tokenPairs"]]
        else:
            given["filter"] = conditions
        return Job(self, self._mutate("attribute", "AttributeInput", given, f"... on Job {{ {JOB} }}"))

    def attribution(self, pair_id, rule="ATTNLRP"):
        """The stored attribution of a token pair, or None."""
        found = self.query(
            f"""query ($id: ID!, $rule: Rule!) {{
              node(id: $id) {{ ... on TokenPair {{ attribution(rule: $rule) {{ {ATTRIBUTION} }} }} }}
            }}""",
            id=pair_id, rule=rule,
        )["node"]
        return Attribution(self, found["attribution"]) if found and found["attribution"] else None

    def frame(self, cases):
        """A pandas data frame: a row for each token pair of the cases, and one for each case that has none."""
        import pandas

        rows = []
        for case in cases:
            head = {"key": case["key"], "model": case["model"]["name"], "benchmark": case["benchmark"],
                    "status": case["status"], "tokens": case["tokenCount"]}
            for pair in case["tokenPairs"] or [None]:
                found = next((one for one in (pair or {}).get("attributions", []) if one["rule"] == "ATTNLRP"), {})
                rows.append({
                    **head,
                    "pair": pair and pair["id"], "delta": pair and pair["delta"],
                    "target": pair and pair["target"]["text"], "contrast": pair and pair["contrast"]["text"],
                    "outcome": found.get("outcome"), "pattern": found.get("pattern"),
                })
        return pandas.DataFrame(rows)

    def _newest_model(self):
        names = self.models()
        if not names:
            raise CulpritError("model: the server has no model; add one, for example with `npx culprit model add`")
        return names[0]

    def _rows(self, field, selection, filter_type, conditions, limit=sys.maxsize):
        head = f"($first: Int, $after: String{f', $filter: {filter_type}' if filter_type else ''})"
        arguments = f"first: $first, after: $after{', filter: $filter' if filter_type else ''}"
        document = f"""query {head} {{
          rows: {field}({arguments}) {{ nodes {{ {selection} }} pageInfo {{ endCursor hasNextPage }} }}
        }}"""
        rows, after = [], None
        while len(rows) < limit:
            variables = {"first": min(PAGE, limit - len(rows)), "after": after}
            if filter_type:
                variables["filter"] = conditions
            page = self.query(document, **variables)["rows"]
            rows += page["nodes"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        return rows

    def _mutate(self, field, input_type, given, selection):
        document = f"""mutation ($input: {input_type}!) {{
          {field}(input: $input) {{ __typename {selection} ... on InputError {{ problem: message }} }}
        }}"""
        return self.query(document, input=given)[field]

    def _fetch(self, path, body=None):
        headers = {"content-type": "application/json", "accept": "application/json, */*"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        while True:
            try:
                request = urllib.request.Request(self.address + path, body, headers)
                with urllib.request.urlopen(request) as response:
                    return response.read()
            except urllib.error.HTTPError as error:
                if error.code == 429:  # too much at once: the server says how long to wait
                    time.sleep(float(error.headers.get("retry-after", 1)))
                    continue
                text = error.read().decode(errors="replace")
                try:
                    said = "; ".join(one["message"] for one in json.loads(text)["errors"])
                except (ValueError, KeyError, TypeError):
                    said = text.strip()
                raise CulpritError(f"{error.code}: {said}") from None
            except urllib.error.URLError as error:
                raise CulpritError(f"{self.address}: {error.reason}; start it with `npx culprit serve`") from None


class Job:
    """Work that was asked for."""

    def __init__(self, server, row):
        self.server, self.row = server, row

    id = property(lambda self: self.row["id"])

    def wait(self, seconds=None, every=0.3):
        """Waits for its end, and returns it. Raises CulpritError when it failed or was cancelled, and TimeoutError."""
        end = None if seconds is None else time.monotonic() + seconds
        document = f"query ($id: ID!) {{ job(id: $id) {{ {JOB} }} }}"
        while self.row["status"] not in ENDED:
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{self} did not end within {seconds} s; it goes on")
            time.sleep(every)
            self.row = self.server.query(document, id=self.id)["job"]
        if self.row["status"] != "COMPLETED":
            raise CulpritError((self.row["error"] or {}).get("message") or f"{self}")
        return self

    def __repr__(self):
        return "{kind} {status}, {done} of {total} {message}".format(**{**self.row, "message": self.row["message"] or ""})


class Answer:
    """What a model answered: `text`, and `tokens` with position, id, text, logit, probability and alternatives."""

    def __init__(self, server, job):
        document = """query ($id: ID!) { job(id: $id) { generation {
          prompt prefix text stop tokens { position id text logit probability alternatives { rank id text logit probability } }
        } } }"""
        self.server, self.job = server, job
        found = server.query(document, id=job.id)["job"]["generation"]
        self.prompt, self.prefix, self.text, self.stop, self.tokens = (
            found[name] for name in ("prompt", "prefix", "text", "stop", "tokens")
        )

    def explain(self, position, contrast, rule="ATTNLRP"):
        """Why the token at a position is not `contrast`, a token id or a text."""
        return self.server.explain(contrast, rule=rule, at={"job": self.job.id, "position": position})

    def __repr__(self):
        return self.text


class Attribution:
    """How much each token moved the model toward the wrong token (positive) or the right one (negative)."""

    def __init__(self, server, row, note=None):
        self.server, self.row, self.note = server, row, note
        self._tokens = None

    id = property(lambda self: self.row["id"])
    target = property(lambda self: self.row["tokenPair"]["target"])
    contrast = property(lambda self: self.row["tokenPair"]["contrast"])
    delta = property(lambda self: self.row["logitDifference"])

    def relevance(self):
        """Raw signed relevance in logit units, float32 [layers + 1, tokens]; row 0 = the embeddings, row l = the residual
        stream after block l. AttnLRP does not sum to delta."""
        return np.load(io.BytesIO(self.server._fetch(self.row["download"])))

    def tokens(self):
        """The context's tokens: dictionaries with position, id, text, segment, special."""
        if self._tokens is None:
            document = """query ($id: ID!, $from: Int!) { node(id: $id) { ... on FailureCase {
              tokens(from: $from) { position id text segment special }
            } } }"""
            case = self.row["tokenPair"]["failureCase"]["id"]
            self._tokens = []
            while len(self._tokens) < self.row["tokenCount"]:
                variables = {"id": case, "from": len(self._tokens)}
                self._tokens += self.server.query(document, **variables)["node"]["tokens"]
        return self._tokens

    def frame(self):
        """A pandas data frame: a row for each token, with its relevance at the embeddings."""
        import pandas

        return pandas.DataFrame(self.tokens()).assign(relevance=self.relevance()[0])

    def strongest(self, count=5):
        """The tokens of largest relevance, special ones left out: dictionaries, the largest first."""
        rows = [{**token, "relevance": float(value)} for token, value in zip(self.tokens(), self.relevance()[0])]
        kept = [row for row in rows if not row["special"]]
        return sorted(kept, key=lambda row: -abs(row["relevance"]))[:count]

    def __repr__(self):
        return "{!r} instead of {!r}, delta {:.4f}, {}".format(
            self.target["text"], self.contrast["text"], self.delta, self.row["rule"]
        )

    def _repr_html_(self):
        tokens, values = self.tokens(), self.relevance()[0]
        plain = [abs(value) for token, value in zip(tokens, values) if not token["special"]]
        scale = max(plain, default=0)
        spans = "".join(
            _span(token["text"], None if token["special"] else float(value / (scale if scale >= 1e-9 else 1)), value)
            for token, value in zip(tokens, values)
        )
        return (
            '<div style="font-family:monospace;background:#fff;color:#14171c;padding:8px;line-height:1.7;'
            f'white-space:pre-wrap">{spans} '
            f'<b style="border:2px solid #b2182b;padding:0 3px">{_visible(self.target["text"])}</b> '
            f'<b style="border:2px solid #2166ac;padding:0 3px">{_visible(self.contrast["text"])}</b>'
            f'<div style="font-family:sans-serif;margin-top:6px">red supports the wrong token, blue the right one; delta '
            f"{self.delta:.4f}, {self.row['rule']} on {escape(self.row['model']['name'])}</div></div>"
        )


# ColorBrewer's RdBu at |value| = 0, 0.25, 0.5, 0.75, 1, as the page has it.
_RED = ((255, 255, 255), (253, 219, 199), (244, 165, 130), (214, 96, 77), (178, 24, 43))
_BLUE = ((255, 255, 255), (209, 229, 240), (146, 197, 222), (67, 147, 195), (33, 102, 172))


def _colour(value):
    """Background of a relevance over the largest one, -1 to 1."""
    stops = _BLUE if value < 0 else _RED
    place = min(abs(value), 1) * 4
    low = min(int(place), 3)
    return tuple(round(a + (b - a) * (place - low)) for a, b in zip(stops[low], stops[low + 1]))


def _span(text, value, raw):
    shown = escape(text.replace("\n", "⏎\n"))
    if value is None:
        return f'<span style="color:#8a8f98">{shown}</span>'
    ink = "#fff" if abs(value) > 0.65 else "#14171c"
    return f'<span title="{raw:+.4f}" style="background:rgb{_colour(value)};color:{ink}">{shown}</span>'


def _visible(text):
    return escape(text.replace("\n", "⏎").replace(" ", "␣"))


def _token(token):
    return {"text": token} if isinstance(token, str) else {"id": int(token)}


if __name__ == "__main__":
    why = Culprit(*sys.argv[1:2]).ask("What is 2 + 2?", max_tokens=16).explain(0, "4")
    print(why)
    for token in why.strongest():
        print(f"{token['relevance']:+9.4f}  {token['text']!r}")
