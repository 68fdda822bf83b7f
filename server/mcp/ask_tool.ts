/** Asks a model, and shows what else it could have said. */
import { z } from "zod";
import { ApiError } from "./api.ts";
import { GENERATE, READ_ANSWER, READ_MODELS } from "./documents.ts";
import { followJob } from "./follow_job.ts";
import { quoted, tool, type ToolContext } from "./tool.ts";

/** Tokens listed, and alternatives of each. */
const [LISTED, RIVALS] = [64, 3];

export const PROMPT_INPUT = {
  model: z.string().optional().describe("Name of a model that was added; the newest one when left out."),
  chat: z.string().optional().describe("A user's message, written by the model's chat template."),
  prompt: z.string().optional().describe("Plain text instead of a chat message."),
  system: z.string().optional().describe("With chat: the system message before it."),
  prefix: z.string().optional().describe("How the answer begins."),
};

interface Token {
  readonly position: number;
  readonly text: string;
  readonly probability: number;
  readonly alternatives: readonly { readonly id: number; readonly text: string; readonly probability: number }[];
}

/** Model, prompt and prefix as the API takes them. Throws ApiError without a model. */
export async function askedPrompt(
  { model, ...prompt }: { readonly [Name in keyof typeof PROMPT_INPUT]?: string | undefined },
  { api, signal }: ToolContext,
): Promise<Record<string, string | undefined>> {
  if (model !== undefined) return { model, ...prompt };
  const { models } = await api.ask<{ models: { nodes: { name: string }[] } }>(READ_MODELS, {}, signal);
  const [newest] = models.nodes;
  if (newest === undefined) throw new ApiError("the server has no model: npx culprit model add MODEL");
  return { model: newest.name, ...prompt };
}

export const askTool = tool({
  name: "ask",
  title: "Ask a model",
  description: "Answers a prompt greedily and lists, for each token of the answer, the runner-up tokens with their " +
    "probabilities. Explain a token afterwards with `explain`, by the answer's id and the token's position.",
  input: z.object({
    ...PROMPT_INPUT,
    max_tokens: z.int().min(1).max(1024).default(64).describe("Tokens of the answer at most."),
  }),
  readOnly: false,
  run: async ({ max_tokens, ...asked }, context) => {
    const place = await askedPrompt(asked, context);
    const input = { ...place, maxTokens: max_tokens, alternatives: RIVALS };
    const { generate } = await context.api.ask<{ generate: { id: string } }>(GENERATE, { input }, context.signal);
    await followJob(context, generate.id);
    const { job } = await context.api.ask<{
      job: { generation: { text: string; stop: string; tokens: readonly Token[] } };
    }>(READ_ANSWER, { id: generate.id }, context.signal);
    const { text, stop, tokens } = job.generation;
    const rows = tokens.slice(0, LISTED).map(({ position, text, probability, alternatives }) =>
      `${position}  ${quoted(text)} ${probability.toFixed(3)}  instead: ${
        alternatives.map(({ id, text, probability }) => `${quoted(text)} (id ${id}) ${probability.toFixed(3)}`).join(
          ", ",
        )
      }`
    );
    const rest = tokens.length > LISTED ? `\nand ${tokens.length - LISTED} more tokens` : "";
    return {
      text: `${text}\n\nanswer ${generate.id} of ${place["model"]}, ${tokens.length} tokens, ${
        stop === "EOS" ? "ended by itself" : "stopped at the limit"
      }\nposition  token, probability, runner-up tokens\n${rows.join("\n")}${rest}`,
    };
  },
});
