/** Failure cases for masking from a culprit/1 file, without a database. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { InputError, type ModelConfig, type Tokenizer } from "../../gpu/mod.ts";
import type { CheckItem } from "../checkers/checker.ts";
import { checkItemOf, type Items } from "../benchmarks/items.ts";
import { isControl } from "../cases/segments.ts";
import type { MaskingCase } from "./masking_case.ts";

const tokenId = z.int().min(0);
/** What masking needs of a line; imports check the rest. */
const record = z.object({
  key: z.string().min(1),
  messages: z.array(z.object({ role: z.string(), content: z.string() })).default([]),
  inputIds: z.array(tokenId).min(1),
  promptTokens: z.int().min(1),
  target: z.object({ id: tokenId }),
  contrast: z.object({ id: tokenId }),
});

export interface FileCase extends MaskingCase {
  /** What checks its rollouts; null where the benchmark's items do not name it. */
  readonly item: CheckItem | null;
}

/** Reads a file's cases. Throws InputError at `path:line`. */
export async function readCases(
  path: string,
  config: ModelConfig,
  tokenizer: Tokenizer,
  items: Items | undefined,
): Promise<FileCase[]> {
  const text = await readFile(path, "utf8").catch((error: { code?: string }) => {
    throw new InputError(`cannot be read (${error.code})`, path, "give a file of failure cases, culprit/1");
  });
  const cases = text.split("\n").flatMap((line, index) =>
    line.trim() === "" ? [] : [readCase(line, `${path}:${index + 1}`, config, tokenizer, items)]
  );
  const keys = new Set<string>();
  for (const { key } of cases) {
    if (keys.has(key)) throw new InputError(`the key ${key} comes twice`, path, "give each case a key of its own");
    keys.add(key);
  }
  if (cases.length === 0) throw new InputError("holds no cases", path, "give a file of failure cases, culprit/1");
  return cases;
}

function readCase(
  line: string,
  where: string,
  { vocabulary }: ModelConfig,
  tokenizer: Tokenizer,
  items: Items | undefined,
): FileCase {
  const wrong = (what: string) => new InputError(what, where, "give one culprit/1 case a line, as docs/import.md says");
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw wrong("is no JSON");
  }
  const read = record.safeParse(json);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw wrong(`${issue!.path.join(".") || "the line"}: ${issue!.message}`);
  }
  const { key, messages, inputIds, promptTokens, target, contrast } = read.data;
  const stranger = [...inputIds, target.id, contrast.id].find((id) => id >= vocabulary);
  if (stranger !== undefined) throw wrong(`token id ${stranger} is not in the model's vocabulary of ${vocabulary}`);
  if (promptTokens > inputIds.length) throw wrong(`promptTokens is ${promptTokens} of ${inputIds.length} tokens`);
  if (target.id === contrast.id) throw wrong("target and contrast are the same token");
  const message = messages.findLast(({ role }) => role === "user")?.content;
  const row = message === undefined ? undefined : items?.find(message);
  return {
    key,
    inputIds,
    promptTokens,
    special: inputIds.map((id, position) => isControl(tokenizer, position, id)),
    target: target.id,
    contrast: contrast.id,
    item: row ? checkItemOf(row) : null,
  };
}
