/**
 * Plain data between an answer's interpreter and its judge's, as Python source that both run: JSON of values whose class
 * is Python's own. None, booleans, texts and integers below 2^53 are themselves, all else is a list that begins with the
 * name of its kind: `["list", 1, ["float", "0.5"]]`.
 *
 * Of an object of a class derived from such a kind its contents cross, as the kind; what a class of the answer's defines
 * itself (`__eq__`, `__hash__`, `__class__`) stays behind. Other objects are held where they are, and cross as a number.
 */
export const PLAIN_DATA = String.raw`
import collections, decimal, fractions, types

MOST_DEEP = 100
MOST_VALUES = 2_000_000
EXACT = 2 ** 53


class CannotCross(Exception):
    """More, or deeper, than is carried over."""


def encoder(foreign):
    """A function from values to forms; foreign gives the form of what is not plain."""
    # The first kind that fits: True is no integer here, a Counter is a dict.
    kinds = [
        (int, lambda value, _: whole(int.__index__(value))),
        (float, lambda value, _: ["float", float.__repr__(value)]),
        (str, lambda value, _: str.__str__(value)),
        (list, lambda value, each: ["list", *map(each, list.__iter__(value))]),
        (tuple, lambda value, each: ["tuple", *map(each, tuple.__iter__(value))]),
        (dict, lambda value, each: ["dict", *(each(part) for pair in dict.items(value) for part in pair)]),
        (set, lambda value, each: ["set", *map(each, set.__iter__(value))]),
        (frozenset, lambda value, each: ["frozenset", *map(each, frozenset.__iter__(value))]),
        (bytes, lambda value, _: ["bytes", bytes.hex(value)]),
        (bytearray, lambda value, _: ["bytearray", bytearray.hex(value)]),
        (complex, lambda value, each: ["complex", repr(complex(value).real), repr(complex(value).imag)]),
        (range, lambda value, each: ["range", each(value.start), each(value.stop), each(value.step)]),
        (collections.deque, lambda value, each: ["deque", *map(each, collections.deque.__iter__(value))]),
        (fractions.Fraction, lambda value, each: ["fraction", each(value.numerator), each(value.denominator)]),
        (decimal.Decimal, lambda value, _: ["decimal", decimal.Decimal.__str__(value)]),
        (type({}.keys()), lambda value, each: ["keys", *map(each, value)]),
        (type({}.values()), lambda value, each: ["values", *map(each, value)]),
        (type({}.items()), lambda value, each: ["items", *(each(part) for pair in value for part in pair)]),
        # Classes of Python's library that equal such a kind.
        (collections.UserList, lambda value, each: each(list(value.data))),
        (collections.UserString, lambda value, each: each(str(value.data))),
        ((collections.UserDict, collections.ChainMap, types.MappingProxyType), lambda value, each: each(dict(value))),
        (memoryview, lambda value, each: each(bytes(value))),
    ]

    def whole(value):
        return value if -EXACT < value < EXACT else ["int", hex(value)]

    def at_once(values):
        """The form of a list of numbers: a million of them one by one take longer than many an answer."""
        if values and set(map(type, values)) <= {int, float}:
            if all(-EXACT < one < EXACT for one in values if type(one) is int):
                return ["numbers", *[one if type(one) is int else float.__repr__(one) for one in values]]
        return None

    def encode(value):
        count = 0

        def form(value, depth):
            nonlocal count
            count += 1
            if count > MOST_VALUES:
                raise CannotCross(f"it holds more than {MOST_VALUES} values")
            if depth > MOST_DEEP:
                raise CannotCross(f"it is nested more than {MOST_DEEP} deep")
            if type(value) is list:
                if count + len(value) > MOST_VALUES:
                    raise CannotCross(f"it holds more than {MOST_VALUES} values")
                whole_list = at_once(value)
                if whole_list is not None:
                    count += len(value)
                    return whole_list
            if value is None or value is True or value is False:
                return value
            for kind, write in kinds:
                if issubclass(type(value), kind):
                    return write(value, lambda part: form(part, depth + 1))
            if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
                # One of its numbers, which equals Python's.
                return form(value.item(), depth + 1)
            return foreign(value)

        return form(value, 0)

    return encode


def decoder(held):
    """A function from forms to values; held gives the value of a form whose kind is not plain."""

    def pairs(parts):
        if len(parts) % 2:
            raise ValueError("a pair has no second part")
        return zip(parts[::2], parts[1::2])

    kinds = {
        "numbers": lambda *parts: [part if type(part) is int else float(part) for part in parts],
        "int": lambda text: int(text, 16),
        "float": lambda text: float(text),
        "list": lambda *parts: list(map(decode, parts)),
        "tuple": lambda *parts: tuple(map(decode, parts)),
        "dict": lambda *parts: dict(pairs(list(map(decode, parts)))),
        "set": lambda *parts: set(map(decode, parts)),
        "frozenset": lambda *parts: frozenset(map(decode, parts)),
        "bytes": bytes.fromhex,
        "bytearray": bytearray.fromhex,
        "complex": lambda real, imaginary: complex(float(real), float(imaginary)),
        "range": lambda *parts: range(*map(decode, parts)),
        "deque": lambda *parts: collections.deque(map(decode, parts)),
        "fraction": lambda *parts: fractions.Fraction(*map(decode, parts)),
        "decimal": lambda text: decimal.Decimal(text),
        "keys": lambda *parts: dict.fromkeys(map(decode, parts)).keys(),
        "values": lambda *parts: dict(enumerate(map(decode, parts))).values(),
        "items": lambda *parts: dict(pairs(list(map(decode, parts)))).items(),
    }

    def decode(form):
        if form is None or type(form) in (bool, int, str):
            return form
        if type(form) is not list or not form or type(form[0]) is not str:
            raise ValueError("it is no form of plain data")
        kind = kinds.get(form[0])
        return held(*form) if kind is None else kind(*form[1:])

    return decode


def describe(error):
    """What an exception is called in a verdict."""
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        text = ""
    return (f"{kind}: {text}" if text else kind)[:500]
`;
