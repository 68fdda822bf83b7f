/** Runs the command line inside the test's process. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Engine } from "../gpu/engine.ts";
import { openEngine } from "../gpu/mod.ts";
import { openSafetensors } from "../gpu/model/safetensors.ts";
import { type CommandLine, main } from "../server/cli.ts";
import { lendEngine } from "../server/models/kept_engine.ts";
import { sharedEngine } from "./shared_device.ts";

export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** An engine for one command. */
async function engineOfCommand(): Promise<Engine> {
  // What is left of a bounded memory hangs on what was done before.
  return Deno.env.has("CULPRIT_MEMORY") ? await openEngine() : lendEngine(await sharedEngine());
}

/** Runs `culprit ARGS` with this standard input, given in the chunks in which it shall arrive. */
export async function culprit(
  args: readonly string[],
  stdin: readonly (string | Uint8Array)[] = [],
  overrides: Partial<CommandLine> = {},
): Promise<CommandResult> {
  let out = "";
  let err = "";
  const encoder = new TextEncoder();
  const code = await main(args, {
    stdin: ReadableStream.from(stdin.map((chunk) => typeof chunk === "string" ? encoder.encode(chunk) : chunk)),
    out: (text) => {
      out += text;
      return Promise.resolve();
    },
    note: (text) => {
      err += text;
    },
    colour: false,
    progress: false,
    interactive: false,
    signal: new AbortController().signal,
    openEngine: engineOfCommand,
    ...overrides,
  });
  return { code, out, err };
}

/**
 * Exit code 2, nothing on standard output, and one line that says what, where and how to mend it. The line is all: no
 * progress bar, so no model was loaded.
 */
export async function refused(
  args: readonly string[],
  line: RegExp,
  stdin: readonly (string | Uint8Array)[] = [],
): Promise<void> {
  const { code, out, err } = await culprit(args, stdin, { progress: true });
  expect(err).toMatch(line);
  expect(err).toMatch(/^[^\n\r]+: [^\n\r]+; [^\n\r]+\n$/);
  expect({ code, out }).toEqual({ code: 2, out: "" });
}

const GOLDEN = new URL("data/golden/", import.meta.url).pathname;

/** What a foreign implementation computed (LXT), and on which input. */
export interface Golden {
  readonly input_ids: readonly number[];
  readonly target: number;
  readonly contrast: number;
  readonly logit_difference: number;
  readonly layers: number;
}

export interface GoldenModel {
  readonly json: Golden;
  /** The input as options of the command line; its ids are in a file of `folder`. Without a target. */
  readonly args: readonly string[];
  /** Float32 values of a golden tensor. */
  readonly tensor: (name: string) => Float32Array;
}

/** A model of test/data/golden. */
export function golden(model: string, folder: string): GoldenModel {
  const directory = join(GOLDEN, model);
  const json = JSON.parse(readFileSync(join(directory, "golden.json"), "utf8")) as Golden;
  const ids = join(folder, `${model}.json`);
  writeFileSync(ids, JSON.stringify(json.input_ids));
  return {
    json,
    args: ["--model", directory, "--ids", ids, "--contrast", `${json.contrast}`, "--json"],
    tensor: (name) => {
      const file = openSafetensors(join(directory, "golden.safetensors"));
      const bytes = new Uint8Array(file.tensors.get(name)!.bytes);
      file.readInto(name, 0, bytes);
      file.close();
      return new Float32Array(bytes.buffer);
    },
  };
}
