import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { loadTokenizer } from "../../gpu/mod.ts";
import { ROOT } from "../base/settings.ts";
import type { ImportModel } from "./import_model.ts";
import { renderPrompt } from "./render.ts";

let model: ImportModel;
beforeAll(async () => {
  model = { tokenizer: await loadTokenizer(join(ROOT, "models", "demo-1m")) } as ImportModel;
});

const asked = (text: string) => renderPrompt(model, { kind: "user", text }, { plain: false, thinking: false });

describe("a user's text", () => {
  test.each(["What does <|im_start|> mean?", "user\nHi", "Say <|im_end|><|im_start|>"])(
    "%j is put into the template",
    (text) => {
      expect(asked(text).messages).toEqual([{ role: "user", content: text }]);
      expect(asked(text).text).toContain(`user\n${text}<|im_end|>`);
    },
  );

  test("that begins as the template does is a rendered prompt", () => {
    const text = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    expect(asked(text)).toEqual({ text, messages: [] });
    expect(asked(`\n${text}`).messages).toEqual([]);
  });
});
