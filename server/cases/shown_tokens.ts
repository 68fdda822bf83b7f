/** How tokens are shown to people. */
import type { Reading } from "../models/reading.ts";
import { isControl } from "./segments.ts";

export interface ShownToken {
  readonly text: string;
  /** One that steers the model and is no text. */
  readonly special: boolean;
}

export const SHOW_TOKENS: Reading<{ readonly ids: readonly number[] }, readonly ShownToken[]> = {
  name: "shown tokens",
  read: async (model, { ids }) => {
    const tokenizer = await model.tokenizer();
    return ids.map((id) => ({ text: tokenizer.token(id), special: isControl(tokenizer, 1, id) }));
  },
};
