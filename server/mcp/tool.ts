/** What every tool is: data for its description, and one function. */
import type { z } from "zod";
import type { Api } from "./api.ts";

/** What a running tool may use. */
export interface ToolContext {
  readonly api: Api;
  /** Aborted when the client does not want the result any more. */
  readonly signal: AbortSignal;
  /** Tells how far it is. */
  readonly tell: (progress: { readonly done: number; readonly total: number; readonly message: string }) => void;
}

/** Short text, and a picture beside it. */
export interface ToolResult {
  readonly text: string;
  /** A PNG file. */
  readonly picture?: Uint8Array;
}

export interface Tool<Input extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  /** It asks for no work and stores nothing. */
  readonly readOnly: boolean;
  /** Throws ApiError for what the client can mend. */
  readonly run: (input: z.infer<Input>, context: ToolContext) => Promise<ToolResult>;
}

/** A tool whose function knows the type of its input. */
export function tool<Input extends z.ZodObject>(definition: Tool<Input>): Tool {
  return definition as unknown as Tool;
}

/** A token as it is told: in quotes, with what cannot be seen. */
export const quoted = (text: string): string => JSON.stringify(text);

/** A signed number of logits. */
export const signed = (value: number): string => `${value < 0 ? "" : "+"}${value.toFixed(3)}`;
