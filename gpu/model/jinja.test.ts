/** Templates against transformers (test/reference/chat_templates.py). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { type ChatMessage, renderChat } from "./chat.ts";
import { parseExactJson } from "./exact_json.ts";
import { dateText, floatText } from "./python_text.ts";

interface Case {
  readonly template?: string;
  readonly file?: string;
  readonly messages: string;
  readonly tools: boolean;
  /** Null where Jinja refuses. */
  readonly rendered: string | null;
}
const FOLDER = new URL("../../test/data/tokenizers/templates/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, FOLDER), "utf8");
const { conversations, tools, cases } = JSON.parse(read("jinja.json")) as {
  readonly conversations: Readonly<Record<string, string>>;
  readonly tools: string;
  readonly cases: readonly Case[];
};

function render({ template, file, messages, tools: hasTools }: Case): string {
  const text = template ?? read(file!);
  const model = {
    templates: new Map([["default", { text, where: "chat_template.jinja" }]]),
    tokens: { bos_token: "<s>", eos_token: "</s>" },
    where: "tokenizer_config.json",
  };
  const conversation = parseExactJson(conversations[messages]!) as readonly ChatMessage[];
  return renderChat(model, conversation, hasTools ? { tools: parseExactJson(tools) as readonly unknown[] } : {});
}

test("all cases are here", () => expect(cases.length).toBe(430));

describe.each([true, false])("with tools: %s", (hasTools) => {
  const own = cases.filter((one) => one.tools === hasTools);
  const isRefused = ({ rendered }: Case) => rendered === null;
  test.each(own.filter((one) => !isRefused(one)))("$file $template $messages", (one) => {
    expect(render(one)).toBe(one.rendered);
  });
  test.each(own.filter(isRefused))("refused: $template", (one) => {
    expect(() => render(one)).toThrow(InputError);
  });
});

test("floats as Python writes them", () => {
  const texts = {
    "0.1": 0.1,
    "1e-07": 1e-7,
    "0.0001": 0.0001,
    "1.234e-05": 0.00001234,
    "1e+16": 1e16,
    "1234567890123456.0": 1234567890123456,
    "5e-324": 5e-324,
    "-2.5": -2.5,
    "inf": Infinity,
  };
  for (const [written, value] of Object.entries(texts)) expect(floatText(value)).toBe(written);
});

test("dates as Python writes them, in English", () => {
  const day = new Date(2024, 6, 4, 15, 5, 9);
  expect(dateText(day, "%d %b %Y, %A %B %-d %I:%M:%S %p %% %y %Q")).toBe(
    "04 Jul 2024, Thursday July 4 03:05:09 PM % 24 %Q",
  );
});

describe("JSON keeps what templates write again", () => {
  const model = {
    templates: new Map([["default", { text: "{{ messages | tojson }}", where: "t" }]]),
    tokens: {},
    where: "t",
  };
  const through = (text: string) => renderChat(model, parseExactJson(text) as readonly ChatMessage[], {});
  test.each([
    '[{"a": 20.0, "b": [1e-07, 12345678901234567890]}]',
    '[{"10": 1, "2": {"3": 2, "1": [-0.0]}, "x": 1.0}]',
    '[{"a\\"7\\"": "1.0, [2.0]", "7": "{\\"1\\": 2}"}]',
    `${"[".repeat(200)}1.0${"]".repeat(200)}`.replace(/^/, '[{"deep": ') + "}]",
  ])("%s", (text) => {
    expect(through(text)).toBe(text);
  });
  test("a key that is there twice counts once, with its last value, as in Python", () => {
    expect(through('[{"1": 1.0, "0": 2, "1": 3.0}]')).toBe('[{"1": 3.0, "0": 2}]');
  });
  test("fields that were added since are written too", () => {
    const [message] = parseExactJson('[{"1": 1.0, "0": 2.0}]') as readonly ChatMessage[];
    expect(renderChat(model, [{ ...message!, role: "user" }], {})).toBe('[{"0": 2, "1": 1, "role": "user"}]');
  });
  test("broken JSON is refused as ever", () => expect(() => parseExactJson('{"a": 1.0,}')).toThrow(SyntaxError));
});
