"""Small tokenizers as GGUF files keep them, and how the reference libraries encode texts with them.

For each way of cutting text into words (`tokenizer.ggml.pre`) a byte-level BPE is trained with Hugging Face's tokenizers,
whose pre-tokenizer is that of the models' own tokenizer.json; and one SentencePiece BPE with byte fallback is trained
and encoded with the sentencepiece package. Writes test/data/gguf/tokenizers.json.

    python test/reference/gguf_tokenizers.py
"""

import io
import json
from pathlib import Path

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

OUT = Path(__file__).parents[1] / "data/gguf/tokenizers.json"
# The pre-tokenizers of Qwen/Qwen2.5, meta-llama/Llama-3.1, gpt2, HuggingFaceTB/SmolLM2 and microsoft/Phi-4-mini.
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(regex):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(regex), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
KINDS = {
    "qwen2": (split(QWEN2), True, False),
    "llama-bpe": (split(LLAMA3), False, True),
    "gpt-2": (BYTES, False, False),
    "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES]), False, False),
    "olmo": (BYTES, True, False),
    "gpt-4o": (split(GPT4O), False, False),
}

TRAIN = [
    "The quick brown fox jumps over the lazy dog. It's 2024, and we'll see 1234567 reasons; they've said so.",
    "Hello world, hello World, HELLO WORLD! Don't stop: I'm here, you're there, she'd know.\n\n    indented\tcode();\r\n",
    "naïve café Straße übergröße – “quoted” text, ελληνικά γράμματα, русские буквы, 中文字符, 日本語のテキスト, 한국어",
    "for (let i = 0; i < 10; i++) { print(i); } // 3.14159 and 1e-5, 007, 12,345.67",
    "Answer the question in exactly 3 sentences. Do not use the letter e. Reply with 'Yes' or \"No\".",
] * 4
TEXTS = [
    "", " ", "  ", "\n", "\n\n\n", "\t \r\n x", "Hello world", " Hello  world ", "it's IT'S It'S we'll WE'LL", "12345 6 78",
    "abc123def4567", "naïve café", "nai\u0308ve cafe\u0301", "中文字符 and 日本語", "한국어 텍스트", "🙂🙃 emoji 👩‍👩‍👧",
    "for (let i = 0; i < 10; i++) {\n    x += 3.14;\n}", "CamelCaseWord HTTPServer iPhone", "path/to/file.txt//comment\n/next",
    "…“quoted”—dash", "a\u00a0b\u3000c", "<s>not special</s>", "<|start|>user\nhi<|end|>\n", "x<|end|>y", "zero\u200bwidth",
    "русские БУКВЫ", "¿Qué?", "1\n2\r\n3", "     leading", "trailing     ", "don’t", "#hashtag @user $5.00 50%",
]
SPECIAL = ["<|start|>", "<|end|>"]


def byte_pair(name, pre, nfc, ignore_merges):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TRAIN, trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    data = json.loads(tokenizer.to_str())
    vocab = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": name,
        "tokenizer.ggml.tokens": vocab,
        "tokenizer.ggml.token_type": [3 if token in SPECIAL else 1 for token in vocab],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in data["model"]["merges"]],
    }, [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]


def sentence_piece(prefix):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAIN), model_writer=model, vocab_size=480, model_type="bpe", byte_fallback=True,
        character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=prefix, control_symbols=SPECIAL, minloglevel=2)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    count = processor.vocab_size()

    def kind(i):
        return 2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1

    # A control symbol is no part of SentencePiece's text: encoded apart, as Hugging Face does.
    texts = [text for text in TEXTS if not any(s in text for s in [*SPECIAL, "<s>", "</s>"]) and text]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [processor.id_to_piece(i) for i in range(count)],
        "tokenizer.ggml.scores": [processor.get_score(i) for i in range(count)],
        "tokenizer.ggml.token_type": [kind(i) for i in range(count)],
        "tokenizer.ggml.add_space_prefix": prefix,
    }, [[text, processor.encode(text), processor.decode(processor.encode(text))] for text in texts]


golden = []
for name, kind in KINDS.items():
    metadata, ids = byte_pair(name, *kind)
    golden.append({"name": name, "metadata": metadata, "vectors": [[t, i] for t, i in zip(TEXTS, ids)]})
for prefix in [True, False]:
    metadata, vectors = sentence_piece(prefix)
    golden.append({"name": f"sentencepiece{'' if prefix else ' without a space in front'}", "metadata": metadata,
                   "vectors": vectors})
OUT.write_text(json.dumps(golden, ensure_ascii=False) + "\n")
