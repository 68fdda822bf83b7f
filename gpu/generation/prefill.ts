/** Prompts computed in packed passes: their keys and values in the caches, and what each sequence says first. */
import type { RunOptions, TokenLogit } from "../engine.ts";
import { cacheStore } from "../kernels/decode.ts";
import { PANEL, panelsOf } from "../kernels/panels.ts";
import { type BlockState, slot, type Workspace } from "../pass/operation.ts";
import { QUERY_KEY_VALUE } from "../pass/operations/heads.ts";
import { forward, type Runner } from "../pass/pass.ts";
import { cacheShape } from "./decode.ts";
import { passRows, topAtRows } from "./next_tokens.ts";
import { advance, type Decoding, type Prompt, promptRows } from "./sequence.ts";

/** Runs prompts, fills the caches, and chooses the first new token of those of the sequences that have none. */
export async function prefill(
  runner: Runner,
  prompts: readonly Prompt[],
  decodings: readonly Decoding[],
  caches: readonly GPUBuffer[],
  options: RunOptions,
): Promise<void> {
  for (const part of promptParts(prompts, passRows(runner))) {
    const own = decodings.filter(({ prompt, ids, stop }) =>
      part.includes(prompt) && ids.length === 0 && stop === undefined
    );
    await prefillPart(runner, part, own, caches, options);
  }
}

/** Prompts in runs that one pass computes. */
function* promptParts(prompts: readonly Prompt[], mostRows: number): Generator<readonly Prompt[]> {
  let part: Prompt[] = [];
  let rows = 0;
  for (const prompt of prompts) {
    if (part.length > 0 && rows + promptRows(prompt) > mostRows) {
      yield part;
      part = [];
      rows = 0;
    }
    part.push(prompt);
    rows += promptRows(prompt);
  }
  if (part.length > 0) yield part;
}

async function prefillPart(
  runner: Runner,
  prompts: readonly Prompt[],
  decodings: readonly Decoding[],
  caches: readonly GPUBuffer[],
  options: RunOptions,
): Promise<void> {
  const { device, model: { config } } = runner;
  let targetRows: GPUBuffer | undefined;
  const asked = decodings.filter(({ request }) => request.force === undefined || (request.top ?? 0) > 0);
  const places = asked.map(({ request, prompt }) => ({
    sequence: prompts.indexOf(prompt),
    position: request.inputIds.length - 1,
  }));
  const pass = await forward(runner, prompts.map(({ ids }) => ids), options, {
    purpose: "prefill",
    interventions: prompts.map(({ intervened }) => intervened),
    kept: places,
    afterBlock(layer: number, workspace: Workspace, state: BlockState) {
      targetRows ??= uploadPromptRows(workspace, prompts);
      cacheStore(device, {
        ...cacheShape(workspace, state, caches[layer] as GPUBuffer),
        x: slot(state, QUERY_KEY_VALUE),
        targetRows,
      });
    },
  });
  try {
    const top = Math.max(1, ...asked.map(({ request }) => request.top ?? 0));
    const found = asked.length > 0 ? await topAtRows(runner, pass, places.map(pass.rowOf), top, options) : [];
    asked.forEach((decoding, index) => decoding.first = (found[index] ?? []).map(({ id, logit }) => ({ id, logit })));
    for (const decoding of decodings) {
      const { force, top = 0 } = decoding.request;
      advance(config, decoding, force ?? (decoding.first[0] as TokenLogit).id);
      decoding.first = decoding.first.slice(0, top);
    }
  } finally {
    pass.workspace.free();
  }
}

/** The cache row of each row of the prompts' workspace; padding goes where it does no harm: over its own padding. */
function uploadPromptRows(workspace: Workspace, prompts: readonly Prompt[]): GPUBuffer {
  const { device, rows, sequences } = workspace;
  const targets = new Uint32Array(rows);
  sequences.forEach(({ firstRow, length }, index) => {
    const { firstRow: cacheRow } = prompts[index] as Prompt;
    for (let i = 0; i < panelsOf(length) * PANEL; i++) targets[firstRow + i] = cacheRow + i;
  });
  const buffer = workspace.adopt(device.allocate(targets.byteLength, "cache rows of the prompts"));
  device.write(buffer, 0, targets);
  return buffer;
}
