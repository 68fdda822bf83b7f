/** Thought: what a model that thinks wrote before its answer. */
import type { Thought as StoredThought } from "../tables/values.ts";
import { builder } from "./builder.ts";

const [OPEN, CLOSE] = ["<think>", "</think>"];

/** A completion's thought with its text. */
interface ToldThought {
  readonly text: string;
  /** Null where the completion was not made here with a budget. */
  readonly stored: StoredThought | null;
}

/** The thought and the answer of a completion; the thought is null where there is none. */
export function thoughtAndAnswer(
  completion: string,
  stored: StoredThought | null,
): { readonly thought: ToldThought | null; readonly answer: string } {
  const end = stored?.tokens === 0 ? -1 : completion.lastIndexOf(CLOSE);
  // Without its end a thought is known by its budget alone.
  if (end < 0 && !stored?.tokens) return { thought: null, answer: completion };
  const start = completion.trimStart().startsWith(OPEN) ? completion.indexOf(OPEN) + OPEN.length : 0;
  const text = completion.slice(start, end < 0 ? undefined : end).trim();
  return {
    thought: { text, stored },
    answer: end < 0 ? "" : completion.slice(end + CLOSE.length).trimStart(),
  };
}

export const Thought = builder.objectRef<ToldThought>("Thought").implement({
  description: "What a model that thinks wrote before its answer. Checkers judge the answer without it.",
  fields: (t) => ({
    text: t.exposeString("text", { description: "The thought without its marks." }),
    budget: t.int({
      nullable: true,
      description: "Tokens that it was allowed to have; null where the answer was imported.",
      resolve: ({ stored }) => stored?.budget ?? null,
    }),
    tokens: t.int({
      nullable: true,
      description: "Tokens of the completion that it takes, with its end; null where the answer was imported.",
      resolve: ({ stored }) => stored?.tokens ?? null,
    }),
    insertedTokens: t.int({
      nullable: true,
      description:
        "How many of its last tokens were put in to close it, since the budget was used up: none of them is " +
        "the model's own. Null where the answer was imported.",
      resolve: ({ stored }) => stored?.inserted ?? null,
    }),
  }),
});
