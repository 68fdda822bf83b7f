/** What asking reads with a model's tokenizer and template. */
import { InputError, type Tokenizer } from "../../gpu/mod.ts";
import type { AskedPrompt, AskedToken } from "../../schema/services/asks.ts";
import { storable, tokenTextsOf } from "../cases/place_case.ts";
import { segmentsOf } from "../cases/segments.ts";
import type { Reading } from "../models/reading.ts";
import { checkThinking } from "../models/thinking.ts";
import { firstToken, type TypedToken } from "../models/typed_token.ts";

/** A prompt with its tokens, and the beginning of the response after it. */
export interface ReadPrompt {
  readonly messages: readonly { readonly role: string; readonly content: string }[] | null;
  readonly prompt: string;
  readonly prefix: string;
  readonly promptIds: number[];
  readonly prefixIds: number[];
}

interface TypedPrompt {
  readonly asked: AskedPrompt;
  /** The model's name, for errors. */
  readonly model: string;
  /** Whether it is to think before it responds. */
  readonly thinks: boolean;
}

/** Renders and tokenises what was typed. Throws InputError for a model that cannot think where it is to. */
export const READ_PROMPT: Reading<TypedPrompt, ReadPrompt> = {
  name: "prompt",
  read: async (model, typed) => {
    const tokenizer = await model.tokenizer();
    if (typed.thinks) checkThinking(tokenizer, typed.model, "thinkingTokens");
    return readPrompt(tokenizer, typed);
  },
};

/** Prompt and beginning of the response apart, as generation has them. */
function readPrompt(tokenizer: Tokenizer, { asked, thinks: thinking }: TypedPrompt): ReadPrompt {
  const messages = "chat" in asked
    ? [...asked.system === undefined ? [] : [{ role: "system", content: asked.system }], {
      role: "user",
      content: asked.chat,
    }]
    : null;
  const prompt = messages ? tokenizer.chat(messages, { thinking }) : (asked as { readonly text: string }).text;
  const promptIds = messages ? tokenizer.encode(prompt) : tokenizer.prompt(prompt);
  if (promptIds.length === 0) throw new InputError("there are no tokens", "prompt", "give at least one token");
  return {
    messages: messages?.map(({ role, content }) => ({ role, content: storable(content) })) ?? null,
    prompt: storable(prompt),
    prefix: storable(asked.prefix),
    promptIds,
    prefixIds: asked.prefix === "" ? [] : tokenizer.encode(asked.prefix, { continues: true }),
  };
}

interface AskedTokenPlace {
  readonly token: AskedToken;
  /** Where it was given, for errors. */
  readonly where: string;
  readonly vocabulary: number;
}

/** A token that somebody typed, and how it is shown. */
export interface NamedToken extends TypedToken {
  readonly name: string;
}

/** The token of an id, or the first one of a text. Throws InputError for what is none. */
export const READ_TOKEN: Reading<AskedTokenPlace, NamedToken> = {
  name: "token",
  read: async (model, { token, where, vocabulary }) => {
    const tokenizer = await model.tokenizer();
    const typed = "id" in token ? String(token.id) : `text:${token.text}`;
    const found = firstToken(typed, where, { vocabulary, tokenizer });
    return { ...found, name: tokenizer.token(found.id) };
  },
};

/** Ids of a case's tokens and of its completion. */
interface CaseIds {
  readonly inputIds: readonly number[];
  readonly promptTokens: number;
  readonly completionIds: readonly number[];
}

/** What a case that was typed shows of its tokens. */
export interface CaseTexts {
  readonly completion: string;
  readonly tokenTexts: string[];
  readonly segments: string;
}

export const READ_CASE_TEXTS: Reading<CaseIds, CaseTexts> = {
  name: "case",
  read: async (model, { inputIds, promptTokens, completionIds }) => {
    const tokenizer = await model.tokenizer();
    return {
      completion: storable(tokenizer.decode(completionIds, { continues: true })),
      tokenTexts: tokenTextsOf(tokenizer, inputIds),
      segments: segmentsOf(tokenizer, inputIds, promptTokens, []),
    };
  },
};
