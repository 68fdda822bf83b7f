/**
 * EvalPlus's own evaluation, in Python without numpy: the answer's function is called on `base_input` and `plus_input`,
 * what the canonical solution returns is the oracle, and the two are compared as evalplus/eval/__init__.py does
 * (unsafe_execute and its special oracles, version 0.3.1).
 */
import type { CheckItem } from "../checker.ts";

type EvalPlusItem = Extract<CheckItem, { readonly kind: "evalplus" }>;

/**
 * The tests of an item: `check(candidate)`. The oracle runs beside them, away from the answer; inputs are read again for
 * each call, since a function may change what it is given.
 */
export function evalPlusTests(item: EvalPlusItem): string {
  const { prompt, canonical_solution: solution, entry_point: name, task_id: id, atol } = item;
  const texts = { oracle: prompt + solution, name, id, base: item.base_input, plus: item.plus_input };
  return `
def check(candidate):
    import json, math
    given = json.loads(${pythonText(JSON.stringify(texts))})
    atol_of_item = ${Number.isFinite(atol) ? atol : 0}
${COMPARISON}`;
}

/** A text as a literal of Python: JSON's is one, where it is ASCII. */
function pythonText(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Inputs of MBPP that JSON cannot hold, by task, as evalplus/data/mbpp.py restores them. */
const MBPP_INPUTS = `
    def tuples(value): return [tuple(one) if isinstance(one, list) else one for one in value]
    def restore(task, inp):
        if task in (2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809):
            return [tuple(one) for one in inp]
        if task in (63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780):
            return [[tuple(one) for one in part] for part in inp]
        if task in (75, 413, 444, 753): return [[tuple(one) for one in inp[0]], inp[1]]
        if task in (106, 750): return [inp[0], tuple(inp[1])]
        if task == 115: return [[set(one) if isinstance(one, list) and len(one) else {} for one in inp[0]]]
        if task == 124: return (float(inp[0]), complex(inp[1]))
        if task in (250, 405, 446, 617, 720, 763, 808): return [tuple(inp[0]), inp[1]]
        if task in (259, 401, 445): return [tuple(tuple(one) for one in part) for part in inp]
        if task == 278: return [tuple(tuples(inp[0]))]
        if task == 307: return [tuple(inp[0]), inp[1], inp[2]]
        if task == 722: return [{key: tuple(value) for key, value in inp[0].items()}] + inp[1:]
        if task == 252: return [complex(inp[0])]
        if task in (580, 615, 791): return deep_tuple(inp)
        return inp
    def deep_tuple(value): return tuple(deep_tuple(one) if isinstance(one, list) else one for one in value)
`;

const COMPARISON = `${MBPP_INPUTS}
    mbpp = given["id"].startswith("Mbpp/")
    task = int(given["id"].rpartition("/")[2]) if mbpp else 0
    name = given["name"]
    space = {}
    exec(compile(given["oracle"], "<oracle>", "exec"), space)
    oracle = space[name]
    def inputs():
        for part in ("base", "plus"):
            for inp in json.loads(given[part]):
                yield restore(task, inp) if mbpp else inp
    def is_floats(x):
        if isinstance(x, float): return True
        return isinstance(x, (list, tuple)) and bool(x) and all(isinstance(one, float) for one in x)
    def close(x, y, atol):
        if isinstance(x, (list, tuple)) or isinstance(y, (list, tuple)):
            if not isinstance(x, (list, tuple)): return all(close(x, one, atol) for one in y)
            if not isinstance(y, (list, tuple)): return all(close(one, y, atol) for one in x)
            return len(x) == len(y) and all(close(one, other, atol) for one, other in zip(x, y))
        assert isinstance(x, (int, float, complex)) and isinstance(y, (int, float, complex))
        if x == y: return True
        if isinstance(x, complex) or isinstance(y, complex): return abs(x - y) <= atol + 1e-07 * abs(y)
        return math.isfinite(x) and math.isfinite(y) and abs(x - y) <= atol + 1e-07 * abs(y)
    def poly(xs, x): return sum(coeff * math.pow(x, i) for i, coeff in enumerate(xs))
    def surface(edge, height): return round(edge ** 2 + 4 * (edge * math.sqrt((edge / 2) ** 2 + height ** 2)) / 2)
    def distance(a, b):
        a, b = str(a), str(b)
        width = max(len(a), len(b))
        return sum(abs(int(x) - int(y)) for x, y in zip(a.zfill(width), b.zfill(width)))
    SETS = ("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
        "intersection_array", "find_dissimilar", "Diff")
    NOT_NONE = ("check_str", "text_match_three", "text_starta_endb")
    def compare(inp, out, exp):
        atol = atol_of_item
        # On some inputs Newton's method of the canonical solution finds no root by the sums of Python 3.12 and later: what
        # it reaches is the measure there.
        if not mbpp and name == "find_zero": return abs(poly(*inp, out)) <= max(atol, abs(poly(*inp, exp)))
        same = out == exp
        if mbpp:
            if name == "are_equivalent": same = True
            elif name == "sum_div": same = same or out == 0
            elif name == "surface_Area": same = same or abs(out - surface(*inp)) <= atol
            elif name == "digit_distance_nums": same = same or out == distance(*inp)
            elif name in SETS: same = set(out) == set(exp)
            elif name in NOT_NONE: same = out == (exp is not None) if isinstance(out, bool) else (exp is not None) == (out is not None)
        if atol == 0 and is_floats(exp): atol = 1e-6
        if same or atol == 0: return bool(same)
        if type(out) != type(exp) or (isinstance(exp, (list, tuple)) and len(out) != len(exp)): return False
        return close(out, exp, atol)
    for inp, fresh, ours in zip(inputs(), inputs(), inputs()):
        exp = oracle(*fresh)
        out = candidate(*inp)
        assert compare(ours, out, exp), "input " + repr(ours)[:80] + ": " + repr(out)[:60] + ", not " + repr(exp)[:60]
`;
