/** What a model would say next, at many positions of many sequences at once: teacher-forced, the largest logits only. */
import { gradientRowBytes, widestRowBytes } from "../pass/block.ts";
import type { NextTokens, NextTokensRequest, RankedLogit, RunOptions } from "../engine.ts";
import { InputError } from "../errors.ts";
import { bordersOf, turnAlike } from "../model/rotary.ts";
import { intervene, isPlain } from "../pass/intervention.ts";
import { logSumExp } from "../kernels/log-sum-exp.ts";
import { moveRows } from "../kernels/row-moves.ts";
import { topTokens } from "../kernels/top-tokens.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { finalNorm, forward, type ForwardPass, recordLogits, type Runner } from "../pass/pass.ts";
import { rotationsOf } from "../pass/workspace.ts";

/** Device bytes of a pass's activations, and its rows: more do not make it faster. */
const PASS_BYTES = 2 ** 28;
/** Share of the free memory that they may take. */
const PASS_SHARE = 1 / 4;
const PASS_ROWS = 2 ** 13;
/** Device bytes of the logits that are there at one time: never those of all positions. */
const LOGIT_BYTES = 2 ** 26;

/** Checks what a request asks for beyond its ids. Throws InputError. */
export function checkNextTokens({ inputIds, from, to = inputIds.length, top }: NextTokensRequest): void {
  if (!Number.isInteger(from) || from < 0 || from >= inputIds.length) {
    throw new InputError(
      `there is no position ${from} among ${inputIds.length} tokens`,
      "from",
      `use a whole number from 0 to ${inputIds.length - 1}`,
    );
  }
  if (!Number.isInteger(to) || to <= from || to > inputIds.length) {
    throw new InputError(
      `nothing lies between position ${from} and ${to} of ${inputIds.length} tokens`,
      "to",
      `use a whole number from ${from + 1} to ${inputIds.length}`,
    );
  }
  if (!Number.isInteger(top) || top < 1) throw new InputError(`${top} is no count`, "top", "use 1 or more");
}

/** Results of checked requests, in their order; each is that of the request alone, to the last bit. */
export async function nextTokensOf(
  runner: Runner,
  requests: readonly NextTokensRequest[],
  options: RunOptions,
): Promise<NextTokens[]> {
  const borders = bordersOf(rotationsOf(runner.model.config));
  const results: NextTokens[] = [];
  for (const pack of packs(runner, requests.map((request) => withoutRest(borders, request)))) {
    options.signal?.throwIfAborted();
    results.push(...await readPack(runner, pack, options));
  }
  return results;
}

/** A request without tokens behind the last position that is wanted: no position sees those after it. */
function withoutRest(borders: readonly number[], request: NextTokensRequest): NextTokensRequest {
  const { inputIds, to = inputIds.length } = request;
  if (!isPlain(request) || !turnAlike(borders, to, inputIds.length)) return request;
  return { ...request, inputIds: inputIds.slice(0, to) };
}

/** Rows that a forward pass without a backward one takes at once; a single longer sequence is a pass of its own. */
export function passRows({ device, model: { config }, passBytes = Infinity }: Runner): number {
  const { bindingBytes } = device.info;
  const bytes = Math.min(PASS_BYTES, passBytes * PASS_SHARE);
  return Math.min(PASS_ROWS, bytes / gradientRowBytes(config), bindingBytes / widestRowBytes(config));
}

/** Requests in runs that fit the device's memory together. */
function* packs(runner: Runner, requests: readonly NextTokensRequest[]): Generator<readonly NextTokensRequest[]> {
  const mostRows = passRows(runner);
  let pack: NextTokensRequest[] = [];
  let rows = 0;
  for (const request of requests) {
    const more = panelsOf(request.inputIds.length) * PANEL;
    if (pack.length > 0 && rows + more > mostRows) {
      yield pack;
      pack = [];
      rows = 0;
    }
    pack.push(request);
    rows += more;
  }
  if (pack.length > 0) yield pack;
}

async function readPack(
  runner: Runner,
  requests: readonly NextTokensRequest[],
  options: RunOptions,
): Promise<NextTokens[]> {
  const places = requests.flatMap(({ inputIds, from, to = inputIds.length }, sequence) =>
    Array.from({ length: to - from }, (_, offset) => ({ sequence, position: from + offset }))
  );
  const pass = await forward(runner, requests.map(({ inputIds }) => inputIds), options, {
    purpose: "logits",
    interventions: requests.every(isPlain) ? undefined : requests.map((request) => intervene(runner.model, request)),
    kept: places,
  });
  try {
    const found = await topAtRows(
      runner,
      pass,
      places.map(pass.rowOf),
      Math.max(...requests.map(({ top }) => top)),
      options,
    );
    let at = 0;
    return requests.map(({ inputIds, from, to = inputIds.length, top }) => {
      const part = found.slice(at, at += to - from);
      return part.map((candidates) => candidates.slice(0, top));
    });
  } finally {
    pass.workspace.free();
  }
}

/** The largest logits at some rows of a forward pass, in the order of `rows`; logits of a part of them at a time. */
export async function topAtRows(
  runner: Runner,
  { nodes }: Pick<ForwardPass, "nodes">,
  rows: readonly number[],
  top: number,
  { signal }: RunOptions,
): Promise<(readonly RankedLogit[])[]> {
  const { device, model: { config } } = runner;
  const { hidden, vocabulary } = config;
  const count = Math.min(top, vocabulary);
  const partRows = Math.max(1, Math.floor(LOGIT_BYTES / panelBytes(PANEL, vocabulary))) * PANEL;
  const most = Math.min(partRows, panelsOf(rows.length) * PANEL);
  const owned: GPUBuffer[] = [];
  const own = (bytes: number, label: string) => {
    const buffer = device.allocate(bytes, label);
    owned.push(buffer);
    return buffer;
  };
  try {
    const wanted = own(most * 4, "rows whose logits are wanted");
    const gathered = own(panelBytes(most, hidden), "rows of the residual stream");
    const normed = own(panelBytes(most, hidden), "rows, normed");
    const scale = own(most * 4, "final norm's scale");
    const logits = own(panelBytes(most, vocabulary), "logits");
    const ids = own(most * count * 4, "largest logits' tokens");
    const values = own(most * count * 4, "largest logits");
    const normalisers = own(most * 4, "log-sum-exp of the logits");
    const results: RankedLogit[][] = [];
    for (let first = 0; first < rows.length; first += most) {
      signal?.throwIfAborted();
      const part = rows.slice(first, first + most);
      device.write(wanted, 0, Uint32Array.from(part));
      moveRows(device, "gather", part.length, hidden, wanted, nodes[config.layers] as GPUBuffer, gathered);
      finalNorm(runner, part.length, gathered, normed, scale);
      recordLogits(runner, part.length, normed, logits);
      topTokens(device, { rows: part.length, columns: vocabulary, count, x: logits, ids, logits: values });
      logSumExp(device, { rows: part.length, columns: vocabulary, x: logits, result: normalisers });
      const foundIds = new Uint32Array(await device.read(ids, 0, part.length * count * 4));
      const foundLogits = new Float32Array(await device.read(values, 0, part.length * count * 4));
      const foundNormalisers = new Float32Array(await device.read(normalisers, 0, part.length * 4));
      part.forEach((_, row) => {
        results.push(Array.from({ length: count }, (_, rank) => {
          const logit = foundLogits[row * count + rank] as number;
          const logProbability = logit - (foundNormalisers[row] as number);
          return { id: foundIds[row * count + rank] as number, logit, logProbability };
        }));
      });
    }
    return results;
  } finally {
    owned.forEach((buffer) => device.free(buffer));
  }
}
