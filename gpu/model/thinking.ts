/**
 * Thinking mode of chat models: which templates have one, whether a prompt's thought is open, where it ends, and what
 * closes it when its budget is used up. A thought stands between `<think>` and `</think>` in all families that are read.
 */
import type { Architecture } from "./architectures.ts";

const OPEN = "<think>";
const CLOSE = "</think>";

/** Tokens that the end of a thought may be spread over, with those beside it: each is a character at least. */
const END_TOKENS = CLOSE.length + 2;

export interface ThinkingMode {
  /** Whether the template can leave the thought out; without it every answer begins with one. */
  readonly switchable: boolean;
  /** White space that the template writes behind the end of a thought. */
  readonly after: string;
}

/**
 * The thinking mode of a template, by its text and by a prompt that it renders with thinking on and off; null where it has
 * none. Templates that open the thought themselves (Olmo-3-Think, R1), leave that to the model (Qwen3, SmolLM3) or close
 * it at once when thinking is off are all told by the marks.
 */
export function thinkingModeOf(
  template: string,
  rendered: { readonly on: string; readonly off: string },
): ThinkingMode | null {
  if (!template.includes(CLOSE) && !opensThought(rendered.on)) return null;
  const closed = rendered.off.lastIndexOf(CLOSE);
  const behind = closed < 0 ? "" : rendered.off.slice(closed + CLOSE.length);
  const switchable = closed >= 0 && behind.trim() === "";
  return { switchable, after: switchable ? behind : "\n\n" };
}

/** Whether a prompt ends within a thought that it opens. */
export const opensThought = (prompt: string): boolean => prompt.trimEnd().endsWith(OPEN);

/** Said before the end of a thought that is cut off: what the makers of a family say themselves. */
const CUT_OFF: Partial<Record<Architecture, string>> = {
  // Qwen3 Technical Report, arXiv 2505.09388, section 4.3.
  qwen3:
    "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.",
  qwen3_moe:
    "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.",
};

/** The text that closes a thought whose budget is used up, and after which the answer goes on. */
export function endOfThought({ after }: ThinkingMode, architecture: Architecture): string {
  return `${CUT_OFF[architecture] ?? ""}\n${CLOSE}${after}`;
}

/** What tells where the thought of a growing completion ends. */
export interface ThoughtReader {
  /**
   * Tokens up to the end of the thought and with it; 0 where the completion begins without one; undefined while that is
   * open. To be asked after every token: only the last ones are looked at.
   */
  endOf(ids: readonly number[]): number | undefined;
  /** The same of tokens that were not asked about one by one. */
  endIn(ids: readonly number[]): number | undefined;
}

/** Reads thoughts. `isOpen`: the prompt has opened the thought. `decode`: text of ids that go on where others ended. */
export function readThought(decode: (ids: readonly number[]) => string, isOpen: boolean): ThoughtReader {
  const endOf = (ids: readonly number[]): number | undefined => {
    if (!isOpen && ids.length <= END_TOKENS) {
      const start = decode(ids).trimStart();
      if (!start.startsWith(OPEN) && !OPEN.startsWith(start)) return 0;
    }
    return decode(ids.slice(-END_TOKENS)).includes(CLOSE) ? ids.length : undefined;
  };
  return {
    endOf,
    endIn(ids) {
      for (let tokens = 1; tokens <= ids.length; tokens++) {
        const end = endOf(ids.slice(0, tokens));
        if (end !== undefined) return end;
      }
      return undefined;
    },
  };
}

/** The texts of a thought, without its marks, and of the answer behind it. */
export function splitThought(thought: string, answer: string): { readonly thought: string; readonly answer: string } {
  const start = thought.trimStart();
  const inner = start.startsWith(OPEN) ? start.slice(OPEN.length) : thought;
  const end = inner.lastIndexOf(CLOSE);
  return { thought: (end < 0 ? inner : inner.slice(0, end)).trim(), answer: answer.trimStart() };
}
