"""Strict checkers: IFEval's (the types that the demo uses), the Hendrycks string rules for MATH answers, HumanEval's tests, and the
comparison of a committed action with the expected one."""

import json
import re

from run_code import passes, program


def _letters_only_case(text, upper):
    """The case half of IFEval's rule. The other half, langdetect says English, is taken as given: see models/README.md."""
    return text.isupper() if upper else text.islower()


def check_instruction(instruction, kw, text):
    """True when `text` follows one instruction; `kw` is its entry in the row's kwargs."""
    if not text.strip():
        return False
    match instruction:
        case "punctuation:no_comma":
            return "," not in text
        case "change_case:english_lowercase":
            return _letters_only_case(text, False)
        case "change_case:english_capital":
            return _letters_only_case(text, True)
        case "startend:quotation":
            t = text.strip()
            return len(t) > 1 and t[0] == '"' and t[-1] == '"'
        case "startend:end_checker":
            return text.strip().strip('"').lower().endswith(kw["end_phrase"].strip().lower())
        case "detectable_format:title":
            return any(t.lstrip("<").rstrip(">").strip() for t in re.findall(r"<<[^\n]+>>", text))
        case "detectable_format:number_bullet_lists":
            found = re.findall(r"^\s*\*[^\*].*$", text, re.M) + re.findall(r"^\s*-.*$", text, re.M)
            return len(found) == kw["num_bullets"]
        case "detectable_content:postscript":
            marker = kw["postscript_marker"]
            pattern = {"P.P.S": r"\s*p\.\s?p\.\s?s.*$", "P.S.": r"\s*p\.\s?s\..*$"}.get(marker, rf"\s*{marker.lower()}.*$")
            return bool(re.findall(pattern, text.lower(), re.M))
        case "detectable_content:number_placeholders":
            return len(re.findall(r"\[.*?\]", text)) >= kw["num_placeholders"]
        case "keywords:existence":
            return all(re.search(k, text, re.I) for k in kw["keywords"])
        case "keywords:frequency":
            count = len(re.findall(kw["keyword"], text, re.I))
            return count < kw["frequency"] if kw["relation"] == "less than" else count >= kw["frequency"]
        case "keywords:forbidden_words":
            return not any(re.search(rf"\b{w}\b", text, re.I) for w in kw["forbidden_words"])
    raise ValueError(f"no checker for {instruction}")


def check_ifeval(row, text):
    """Strict verdict of a whole row: every instruction followed."""
    return all(check_instruction(i, k, text) for i, k in zip(row["instruction_id_list"], row["kwargs"], strict=True))


def last_boxed(text):
    """Content of the last \\boxed{...} (else \\fbox{...}), braces matched; None when absent or never closed."""
    start = max(text.rfind("\\boxed"), -1)
    if start < 0:
        start = text.rfind("\\fbox")
    if start < 0:
        return None
    depth, begin = 0, None
    for i in range(start, len(text)):
        if text[i] == "{":
            depth += 1
            begin = i + 1 if begin is None else begin
        elif text[i] == "}":
            depth -= 1
            if depth == 0:
                return text[begin:i]
    return None


def _normalise(s):
    s = s.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    s = s.replace("tfrac", "frac").replace("dfrac", "frac").replace("\\left", "").replace("\\right", "")
    s = s.replace("^{\\circ}", "").replace("^\\circ", "").replace("\\$", "")
    if "\\text{ " in s:
        head, tail = s.split("\\text{ ")
        s = head
    s = s.replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not s:
        return s
    if s[0] == ".":
        s = "0" + s
    if s.count("=") == 1 and len(s.split("=")[0]) <= 2:
        s = s.split("=")[1]
    s = re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", s).replace(" ", "")
    s = re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", s)
    if s == "0.5":
        s = "\\frac{1}{2}"
    if m := re.fullmatch(r"(-?\d+)/(-?\d+)", s):
        if all(str(int(g)) == g for g in m.groups()):
            s = f"\\frac{{{m[1]}}}{{{m[2]}}}"
    return s


def is_equiv(a, b):
    if a is None or b is None:
        return a is b
    try:
        return _normalise(a) == _normalise(b)
    except ValueError:
        return a == b


def check_math(row, text):
    return is_equiv(last_boxed(text), row["answer"])


def committed_action(text):
    """The action {name, arguments} of the last tool call of an answer; None when there is none that can be read."""
    found = re.findall(r"<tool_call>(.*?)</tool_call>", text, re.S)
    try:
        action = json.loads(found[-1]) if found else None
    except ValueError:
        return None
    return action if isinstance(action, dict) and set(action) == {"name", "arguments"} else None


def check_action(row, text):
    """Name and arguments of the committed action are the expected ones: same keys, same values, same JSON types."""
    return json.dumps(committed_action(text), sort_keys=True) == json.dumps(row["expected"], sort_keys=True)


def check(row, text):
    """The verdict of an item of any family."""
    if "instruction_id_list" in row:
        return check_ifeval(row, text)
    if "test" in row:
        return passes([program(row, text)])[0]
    return check_action(row, text) if "expected" in row else check_math(row, text)


def check_all(rows, texts):
    """`check` of many; programs share processes."""
    verdicts = [None if "test" in row else check(row, text) for row, text in zip(rows, texts, strict=True)]
    programs = iter(passes([program(row, text) for row, text in zip(rows, texts) if "test" in row]))
    return [next(programs) if v is None else v for v in verdicts]
