"""Templates as transformers renders them, for gpu/model/jinja.test.ts:

    python3 test/reference/chat_templates.py > test/data/tokenizers/templates/jinja.json      (transformers 5.24, jinja2 3.1)

Conversations are given as text, since numbers and the order of keys must survive reading it.
"""

import json
import pathlib

from transformers.utils.chat_template_utils import _normalize_chat_messages, render_jinja_template

TEMPLATES = pathlib.Path(__file__).resolve().parents[1] / "data" / "tokenizers" / "templates"

ARGUMENTS = ('{"amount":20.0,"10":"a","2":"b","id":12345678901234567890,"tiny":1e-07,"big":1e16,"neg":-0.0,"t":true,"n":null,'
             '"l":[1.50,2,{"9":1,"1":2}],"s":"ü\\u2028<&>\\u007f\\"\'","e":{},"el":[],"small":0.0001,"smaller":0.00001234,"sum":123456789.125}')
MESSAGES = ('[{"role":"system","content":"S"},{"role":"user","content":" hi\\n"},{"role":"assistant","content":null,"tool_calls":'
            '[{"type":"function","function":{"name":"pay","arguments":' + ARGUMENTS + '}}]},{"role":"tool","content":"ok","name":null},'
            '{"role":"assistant","content":"yes","reasoning":"thought"}]')
TOOLS = '[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"number","default":1.0,"minimum":-1E5}},"required":["x"]}}}]'
PLAIN = '[{"role":"user","content":"W"},{"role":"assistant","content":"","tool_calls":[{"type":"function","function":{"name":"pay","arguments":{"amount":20.0,"10":"a","2":"b","id":12345678901234567890}}}]},{"role":"tool","content":"ok"}]'

CALL = "messages[2].tool_calls[0].function"
EXPRESSIONS = [
    "messages[0].content", "messages[1]['content'] | trim", "messages[2].content is none", "messages[2].content is defined", "messages[2].get('content')",
    f"{CALL}.arguments | tojson", f"{CALL}.arguments | tojson(indent=2)", f"{CALL}.arguments | tojson(indent=4)", f"{CALL}.arguments", f"{CALL} | string", "messages[2].tool_calls | tojson(separators=(',', ':'))",
    f"{CALL}.arguments.keys() | list", f"{CALL}.arguments.s", "tools", "tools | tojson", "tools is none", "tools is not none", "tools is defined", "documents is none", "xyz is defined", "xyz",
    "true", "false", "none", "1.0", "10 / 4", "4 / 2", "7 // 2", "-7 // 2", "7 % 3", "-7 % 3", "2 * 3", "2 * 1.5", "1 + 1.0", "3 - 5", "'ab' * 3",
    "[1, 'a', true, none, 2.0]", "{'a': 1, 'b': 'x\"y'}", "['it\\'s']", "(1, 'a')", "'abc'.upper()", "'a b'.title()", "'abc'[1:]", "'abc'[-1]", "'a,b'.split(',')", "'abc' | length", "'é👍' | length",
    "'x' ~ 1 ~ true ~ none ~ 1.5", "messages | length", "messages | map(attribute='role') | join(',')", "messages | selectattr('role', 'equalto', 'user') | list | length",
    "messages | rejectattr('role', 'equalto', 'system') | map(attribute='role') | list", "messages[1].content.strip() + '|'", "messages[1].content.lstrip()", "messages[1].content.rstrip()", "'\\x1f\\x85 x\\ufeff '.strip()", "'xxaxx'.strip('x')",
    "'hello world foo' | replace('o', '0', 1)", "'x' in 'xyz'", "'a' in ['a']", "'a' not in {'a': 1}", "range(5) | list", "range(1, 6, 2) | list", "range(5, 0, -2) | list", "[3, 1, 2] | sort", "[1, 2, 3] | reverse | list", "[1, 2] + [3]",
    "[1, 2.5, true] | join('-')", "[1, 2, 3] | first", "[1, 2, 3] | last", "[1, 1, 2] | unique | list", "'a' if false", "'a' if true else 'b'", "xyz | default('d')", "'' | default('d', true)", "none | default('d')",
    "1 == 1.0", "1 == true", "1 == '1'", "none == false", "'a' == \"a\"", "[1, {'a': 2}] == [1.0, {'a': 2}]", "[1] == [2]", "(1,2) == [1,2]", "1 != 2", "not true", "1 and 'x'", "0 or 'y'", "'' and 1", "1 < 2", "2 >= 2.0",
    "'a' is string", "1 is number", "{} is mapping", "[] is iterable", "'a' is iterable", "[] is sequence", "1.5 is integer", "true is boolean", "messages[0] | tojson", "'é<' | tojson", "'é\\x7f' | tojson(ensure_ascii=True)", "{'b': 1, 'a': 2} | tojson(sort_keys=True)",
    "100000000000000000000", "'abc'.startswith('a')", "'abc'.endswith('c')", "'abc'.replace('b', '')", "'x'.join(['a', 'b'])", "', '.join(messages[0].keys())", "'A'.lower()", "5 | string + 'a'", "'5' | int + 1", "2.7 | int", "'a' | upper | lower | capitalize",
    "messages[10]", "messages[0].nothing", "messages[0].content[0]", "messages[-1].role", "messages[1:][0].role", "{'a': {'b': 1}}.a.b", "{'a': 1}.get('c', 5)", "{'items': 3}['items']", "raise_exception('bad')", "range(200000) | length", "range(0, 5, 0)",
    "strftime_now('%Y') | length", "messages[1].content | safe", "bos_token", "eos_token", "unk_token is defined", "messages[3].name is defined", "messages[4].reasoning_content", "messages[4].thinking", "enable_thinking", "add_generation_prompt",
    "1e-7", "2 ** 3", "('a',)", "'%s-%d' % ('a', 3)", "'a%s' | format('b')", "[[1, 2], [3]] | sum(start=[])", "[1, 2, 3] | max", "1 < 2 <= 2", "'abc'.find('c')", "'abc'.count('b')", "3.14159 | round(2)", "dict(a=1)", "'<a>' | e", "'x' | center(5)", "true + 1",
    "1e5", "2.5E-3", "('a', 'b',)", "(('a'),)", "'x' in ('x',)", "'%5.1f|%-4s|%03d|%%|%r' % (2.25, 'ab', -7, 'q')", "'%(a)s' % {'a': 1}", "'%s' % [1]", "'%s' % (1, 2)", "'%d' | format(3.9)", "'%s%s' | format('a', 2)",
    "[1, 2.5, true] | sum", "[] | sum", "['b', 'A', 'C'] | max", "['b', 'A', 'C'] | min", "[2, 2.0, 1] | max", "(1 < 2) <= 1", "3 > 2 > 2", "1 < 3 > 2 == 2.0", "1 == 1 in [1]", "(1 == 2) == false", "'ab'.find('👍')", "'a👍b'.find('b')", "'aaa'.count('aa')", "'ab'.count('')",
    "2.5 | round", "0.125 | round(2)", "-0.375 | round(2)", "2.675 | round(2)", "7 | round(1)", "1e20 | round(2)", "dict(a=1, b='x').b", "dict([('k', 2)])", "'<&>' | escape | e", "'ab' | center(5)", "'abc' | center(6)", "'abcdef' | center(3)", "true * 3", "true - 0.5", "2 > true", "false // 2",
]
TEMPLATE_TEXTS = ["{{ %s }}" % one for one in EXPRESSIONS] + [
    "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}",
    "{% for k, v in " + CALL + ".arguments.items() %}{{ k }}={{ v }},{% endfor %}",
    "{% for k, v in " + CALL + ".arguments | items %}{{ k }}={{ v | tojson }},{% endfor %}",
    "{% for k in " + CALL + ".arguments %}{{ k }} {% endfor %}",
    "{% for c in 'a👍' %}[{{ c }}]{% endfor %}{% for x in xyz %}never{% endfor %}",
    "{%- set ns = namespace(x=1) -%}{%- for i in range(3) -%}{%- set ns.x = ns.x + i -%}{%- endfor -%}{{ ns.x }}",
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 5 %}{{ x }};{% endfor %}{{ x }}",
    "{% macro f(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ f(1) }} {{ f(1, b=3) }}",
    "a  \n  {% if true %}\n  b\n  {% endif %}\n c \n", "a\r\nb\r\n{% if true %}\r\nx\r\n{% endif %}\r\n", "a\rb\n\n", "{# c #}\nx{#- d -#}  y", "{% generation %}G{% endgeneration %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{% else %}E{% endfor %}",
    "{% for m in messages if m.role == 'x' %}{% else %}E{% endfor %}",
    "{% for a in [1, 2, 3] %}{% if a == 2 %}skip{% continue %}{% endif %}{{ a }}{% if a == 3 %}{% break %}{% endif %}{% endfor %}",
    "{% for a in [1, 2] %}{{ loop.index }}{{ loop.previtem is defined }}{{ loop.nextitem }}{% for b in [1] %}{{ loop.revindex }}{% endfor %}{% endfor %}",
    "{% set x %}block {{ 1 }}{% endset %}{{ x }} {% filter upper %}abc{% endfilter %}",
    "{% if messages[0].role == 'system' and tools %}yes{% elif false %}no{% else %}else{% endif %}", "{{ '\\n'.join(['a', 'b']) }}{{- ' x ' -}} z",
]


def render(template, messages, tools, **more):
    try:
        rendered, _ = render_jinja_template(
            [_normalize_chat_messages(json.loads(messages))], tools=json.loads(tools) if tools else None, chat_template=template,
            add_generation_prompt=True, bos_token="<s>", eos_token="</s>", enable_thinking=False, **more)
        return rendered[0]
    except Exception:
        return None


def main():
    cases = []
    for tools in (TOOLS, None):
        for template in TEMPLATE_TEXTS:
            cases.append(dict(template=template, messages="long", tools=tools is not None, rendered=render(template, MESSAGES, tools)))
    for path in sorted(TEMPLATES.glob("*.jinja")):
        for name, messages in (("long", MESSAGES), ("plain", PLAIN)):
            for tools in (TOOLS, None):
                rendered = render(path.read_text(), messages, tools)
                # A template that names the day gives another text tomorrow.
                if "strftime_now" not in path.read_text():
                    cases.append(dict(file=path.name, messages=name, tools=tools is not None, rendered=rendered))
    dump = lambda value: json.dumps(value, ensure_ascii=False)
    print('{"conversations":' + dump(dict(long=MESSAGES, plain=PLAIN)) + ',\n"tools":' + dump(TOOLS) + ',\n"cases":[\n' + ",\n".join(map(dump, cases)) + "\n]}")


main()
