/**
 * Where a model is: the path of a folder or of a GGUF file, and the folders of adapters that are merged into it, in one
 * text, as the command line writes it: `BASE --lora DIR --lora DIR`. So it goes wherever a path goes.
 */
import { resolve } from "node:path";
import { InputError } from "../errors.ts";

export interface ModelPath {
  readonly base: string;
  /** In the order in which they are merged. */
  readonly adapters: readonly string[];
}

const SEPARATOR = " --lora ";

export function parseModelPath(text: string): ModelPath {
  const [base = "", ...adapters] = text.split(SEPARATOR);
  return { base, adapters };
}

/** Throws InputError for a path that cannot be told from a list of them. */
export function modelPath({ base, adapters }: ModelPath): string {
  for (const path of [base, ...adapters]) {
    if (path.includes(SEPARATOR)) {
      throw new InputError(`has ${JSON.stringify(SEPARATOR)} in it`, path, "rename the folder");
    }
  }
  return [base, ...adapters].join(SEPARATOR);
}

/** The same with absolute paths. */
export function resolveModelPath({ base, adapters }: ModelPath): ModelPath {
  return { base: resolve(base), adapters: adapters.map((adapter) => resolve(adapter)) };
}
