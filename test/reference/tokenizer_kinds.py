"""Small tokenizers of every kind that models have, and what the tokenizers library makes of hard texts, for
gpu/model/tokenizer/tokenizer.test.ts:

    python3 test/reference/tokenizer_kinds.py [TOKENIZER.json ...] > test/data/tokenizers/kinds.json    (tokenizers 0.23)

Two vocabularies are trained, one of bytes and one of characters; the kinds differ in what stands before and after them.
"""

import json
import pathlib
import random
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = [line for name in ("README.md", "docs/method.md", "docs/page.md", "gpu/engine.ts")
          for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line.strip()]
CORPUS += ["Größe für Straße und Übermut", "naïve façade, déjà vu", "Привет, как дела?", "中文字符测试和标点。", "日本語のテキスト", "한국어 텍스트",
           "it's we're I'm they'll he'd you've don't", "IT'S WE'RE I'M", "  two  spaces", "\t\ttabs", "1234567890 2024 3.14"] * 8

# Texts on which implementations differ: spaces that are none elsewhere, combining characters, contractions, seams.
TEXTS = [
    "", " ", "  ", "   a", "a ", "a  ", "Hello world", " Hello  world ", "hello\nworld\n\n\nx", "a\r\nb\r\n", "\n\n a", "tab\tand\t\ttabs",
    "it's IT'S 's 'S don't DON'T we'll WE'LL 'ſ", "'", "''", "'m'm 'tis", "123 4567 89,012.5", "a1b2c3", "٣٤٥ ²³ Ⅷ ½ 一二",
    "a \x85b", "\ufeff'm", "a  \ufeff", "\ufeff", "a\u00a0b\u00a0 c", "a\u2028b\u2029 c", "\u200b zero\u200d width", "\u3000全角 \u3000", "\x1c\x1d\x1e\x1f x",
    "cafe\u0301 caf\u00e9 \u212b \ufb01 \u1e9b\u0323", "e\u0301\u0301", "नमस्ते दुनिया", "ที่ประเทศไทย", "👩‍👩‍👧‍👦 👍🏽 🇩🇪", "\U0010ffff \U00012345", "中文，测试。日本語！", "Привет МИР",
    "don\u2019t \u201cquote\u201d \u2014 dash", "$100 #tag @you a+b=c x**2 //comment", "foo_bar fooBar FOOBar foo-bar", "http://a.b/c?d=e&f", "def f(x):\n    return x\n",
    "<s>Hello</s>", "<s> Hello </s>", "a<mark>b", "a <mark> b", "xWORDy WORD xWORD WORDx WORD", " STRIP ", "a  STRIP  b", "STRIPSTRIP", "L  LEFT x", "RIGHT  x",
    "norm\u00e9 norme\u0301 NORME\u0301", "\u00c5ng A\u030ang", "<s><s>a", "</s>\n<s>", "▁under▁score", "a▁ b", "<0x41><0x0A>", "\x00\x01", "aaaaaaaaaaaaaaaaaaaaaaaa", "abababababababab", "                        x",
]

WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
TIKTOKEN = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
HAN = r"[一-龥぀-ゟ゠-ヿ]+"
DEEPSEEK = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
RUBY = r"[[:alpha:]]+|[\d&&[^5]]+|\h{2}|^ +| +$|\bx\b|(?>a+)b|\p{Han}|[^\S\n]+|."

split = lambda regex, behavior="Isolated", invert=False: dict(type="Split", pattern=dict(Regex=regex), behavior=behavior, invert=invert)
level = lambda regex=False, space=False: dict(type="ByteLevel", add_prefix_space=space, trim_offsets=False, use_regex=regex)
chain = lambda *parts: dict(type="Sequence", pretokenizers=list(parts))
replace = lambda old, new: dict(type="Replace", pattern=dict(String=old), content=new)
metaspace = lambda scheme, split=True: dict(type="Metaspace", replacement="▁", prepend_scheme=scheme, split=split)
normal = lambda *parts: dict(type="Sequence", normalizers=list(parts))
decoding = lambda *parts: dict(type="Sequence", decoders=list(parts))
BYTES = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
LLAMA = decoding(replace("▁", " "), dict(type="ByteFallback"), dict(type="Fuse"), dict(type="Strip", content=" ", start=1, stop=0))
GEMMA = decoding(replace("▁", " "), dict(type="ByteFallback"), dict(type="Fuse"))


def token(content, **flags):
    return dict(dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False), **flags)


MARKS = [token("<s>", special=True), token("</s>", special=True), token("<mark>")]
FLAGS = MARKS + [token("WORD", single_word=True), token("STRIP", lstrip=True, rstrip=True), token("LEFT", lstrip=True, special=True),
                 token("RIGHT", rstrip=True), token("norm\u00e9", normalized=True), token("A\u030a", normalized=True)]
SPACES = MARKS + [token(" " * n, normalized=True) for n in range(2, 9)]
RUNS = MARKS + [token("\n" * n) for n in range(2, 5)] + [token("▁" * n) for n in range(2, 5)]

KINDS = [
    dict(name="GPT-2", base="bytes", pre_tokenizer=level(True), decoder=BYTES, added=MARKS),
    dict(name="GPT-2 with a space in front", base="bytes", pre_tokenizer=level(True, True), decoder=BYTES, added=MARKS),
    dict(name="SmolLM", base="bytes", pre_tokenizer=chain(dict(type="Digits", individual_digits=True), level(True)), decoder=BYTES, added=MARKS),
    dict(name="Qwen", base="bytes", normalizer=dict(type="NFC"), pre_tokenizer=chain(split(WORDS % ""), level()), decoder=BYTES, added=FLAGS),
    dict(name="Llama 3", base="bytes", pre_tokenizer=chain(split(WORDS % "{1,3}"), level()), decoder=BYTES, added=MARKS, ignore_merges=True),
    dict(name="o200k", base="bytes", pre_tokenizer=chain(split(O200K), level()), decoder=BYTES, added=MARKS),
    dict(name="tiktoken", base="bytes", pre_tokenizer=chain(split(TIKTOKEN, "Removed", True), level()), decoder=BYTES, added=MARKS),
    dict(name="DeepSeek", base="bytes", pre_tokenizer=chain(split(r"\p{N}{1,3}"), split(HAN), split(DEEPSEEK), level()), decoder=BYTES, added=MARKS),
    dict(name="GPT-NeoX", base="bytes", normalizer=dict(type="NFC"), pre_tokenizer=level(True), decoder=BYTES, added=SPACES),
    dict(name="Ruby's syntax", base="bytes", pre_tokenizer=chain(split(RUBY), level()), decoder=BYTES, added=[]),
    dict(name="words by spaces, digits together", base="bytes", decoder=BYTES, added=FLAGS, normalizer=dict(type="NFKC"),
         pre_tokenizer=chain(dict(type="WhitespaceSplit"), dict(type="Digits", individual_digits=False), dict(type="Punctuation", behavior="Contiguous"), level())),
    dict(name="words and the rest", base="bytes", decoder=BYTES, added=[], pre_tokenizer=chain(dict(type="Whitespace"), level())),
    dict(name="merged with the next", base="bytes", decoder=BYTES, added=[], pre_tokenizer=chain(split(r"[aeiou ]", "MergedWithNext"), level())),
    dict(name="merged with the one before", base="bytes", decoder=BYTES, added=[], pre_tokenizer=chain(split(r"[aeiou ]", "MergedWithPrevious"), level())),
    dict(name="Llama 2", base="characters", normalizer=normal(dict(type="Prepend", prepend="▁"), replace(" ", "▁")), decoder=LLAMA, added=MARKS, byte_fallback=True, fuse_unk=True),
    dict(name="Llama 2, marks normalized", base="characters", normalizer=normal(dict(type="Prepend", prepend="▁"), replace(" ", "▁")), decoder=LLAMA, byte_fallback=True, fuse_unk=True,
         added=[dict(one, normalized=True) for one in MARKS]),
    dict(name="Mistral", base="characters", pre_tokenizer=metaspace("first", False), decoder=LLAMA, added=MARKS, byte_fallback=True, fuse_unk=True),
    dict(name="Metaspace, always", base="characters", pre_tokenizer=metaspace("always"), decoder=dict(metaspace("always")), added=MARKS, unk="<unk>"),
    dict(name="Gemma", base="characters", normalizer=replace(" ", "▁"), pre_tokenizer=dict(type="Split", pattern=dict(String=" "), behavior="MergedWithPrevious", invert=False),
         decoder=GEMMA, added=RUNS, byte_fallback=True, fuse_unk=True),
    dict(name="unknown characters", base="characters", normalizer=replace(" ", "▁"), decoder=GEMMA, added=[], unk="<unk>", fuse_unk=True),
    dict(name="unknown characters, each", base="characters", normalizer=normal(dict(type="Lowercase"), dict(type="Strip", strip_left=True, strip_right=True)), decoder=GEMMA, added=[], unk="<unk>"),
]


def trained(kind):
    tokenizer = Tokenizer(models.BPE())
    if kind == "bytes":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=520, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    else:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
        trainer = trainers.BpeTrainer(vocab_size=640, limit_alphabet=160, show_progress=False,
                                      special_tokens=["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)])
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return dict(vocab=model["vocab"], merges=model["merges"])


def built(kind, base):
    first = len(base["vocab"])
    model = dict(type="BPE", dropout=None, unk_token=kind.get("unk"), continuing_subword_prefix=None, end_of_word_suffix=None,
                 fuse_unk=kind.get("fuse_unk", False), byte_fallback=kind.get("byte_fallback", False), ignore_merges=kind.get("ignore_merges", False))
    rest = dict(version="1.0", truncation=None, padding=None, added_tokens=[dict(one, id=first + n) for n, one in enumerate(kind["added"])],
                normalizer=kind.get("normalizer"), pre_tokenizer=kind.get("pre_tokenizer"), post_processor=None, decoder=kind["decoder"], model=model)
    return rest, dict(rest, model=dict(model, **base))


def vectors(tokenizer, texts):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return dict(ids=ids, decoded=[tokenizer.decode(one, skip_special_tokens=False) for one in ids])


def fuzz(count, seed=1):
    """Random texts of characters that matter, for a comparison that is too long to keep."""
    chance = random.Random(seed)
    pool = list("abcXYZ019 '\n\r\t.,-_") + [" ", " ", "'s", "'LL", "\x85", "\ufeff", "\u00a0", "\u2028", "e\u0301", "\u00e9", "ſ", "ß", "中", "あ", "한", "П", "²", "½", "👍🏽",
                                              "\u200d", "\u0300", "▁", "<s>", "WORD", "STRIP", "norm\u00e9", "A\u030a", "\x00", "\U0010ffff", "ǅ", "\u3000"]
    return ["".join(chance.choice(pool) for _ in range(chance.randrange(1, 24))) for _ in range(count)]


def main():
    bases = {name: trained(name) for name in ("bytes", "characters")}
    kinds = []
    texts = TEXTS if len(sys.argv) < 2 else fuzz(int(sys.argv[1]))
    for kind in KINDS:
        rest, whole = built(kind, bases[kind["base"]])
        kinds.append(dict(name=kind["name"], base=kind["base"], json=rest, **vectors(Tokenizer.from_str(json.dumps(whole)), texts)))
    for path in sys.argv[2:]:
        kinds.append(dict(name=path, path=path, **vectors(Tokenizer.from_file(path), texts)))
    dump = lambda value: json.dumps(value, ensure_ascii=False)
    print('{"bases":' + dump(bases) + ',\n"texts":' + dump(texts) + ',\n"kinds":[\n' + ",\n".join(map(dump, kinds)) + "\n]}")


main()
