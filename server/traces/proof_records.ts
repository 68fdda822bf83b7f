/** Files of proofs: a line that says what was asked, and a line for each failure. */
import { z } from "zod";
import { wholeLines } from "../base/json_text.ts";
import { PROOF_RANKINGS, type ProofRecord, type ProofSettings } from "./proof.ts";
import { PROOF_ERRORS } from "./provable_cases.ts";

const Outcome = z.object({ count: z.int(), delta: z.number(), flipped: z.boolean(), passed: z.boolean() });
const Place = z.int().min(1);
const Proof = z.discriminatedUnion("repeats", [
  z.object({ key: z.string(), repeats: z.literal(false) }),
  z.object({
    key: z.string(),
    repeats: z.literal(true),
    delta: z.number(),
    steps: z.int(),
    rankings: z.record(z.enum(PROOF_RANKINGS), z.array(Outcome).min(1)),
    lostAt: z.int().nullable(),
    places: z.object({ chain: Place, direct: Place, last: Place }).nullable(),
  }),
]);

const Header = z.object({
  model: z.string(),
  benchmark: z.string(),
  error: z.enum(PROOF_ERRORS),
  settings: z.object({
    rule: z.string(),
    replacement: z.string(),
    counts: z.array(z.int()),
    rollouts: z.int(),
    seed: z.int(),
  }),
});

/** What a file of proofs was made with. */
export interface ProofHeader {
  readonly model: string;
  readonly benchmark: string;
  readonly error: typeof PROOF_ERRORS[number];
  readonly settings: ProofSettings;
}

/** A file's first line; undefined where it is none, or not written yet. */
export function readProofHeader(text: string): ProofHeader | undefined {
  const read = Header.safeParse(wholeLines(text.split("\n", 1)[0]!)[0]);
  return read.success ? read.data as ProofHeader : undefined;
}

/**
 * The proofs behind a file's first line, each failure once. A line that was being written when the run was stopped, or
 * that is no proof with as many masks as was asked for, is left out: its failure is computed again.
 */
export function readProofRecords(text: string, { counts }: Pick<ProofSettings, "counts">): ProofRecord[] {
  const start = text.indexOf("\n");
  const found = new Map<string, ProofRecord>();
  for (const value of start < 0 ? [] : wholeLines(text.slice(start + 1))) {
    const read = Proof.safeParse(value);
    if (!read.success || read.data.repeats && !hasCounts(read.data.rankings, counts)) continue;
    if (!found.has(read.data.key)) found.set(read.data.key, value as ProofRecord);
  }
  return [...found.values()];
}

const hasCounts = (
  rankings: Readonly<Record<string, readonly { readonly count: number }[]>>,
  counts: readonly number[],
): boolean =>
  PROOF_RANKINGS.every((name) => {
    const own = rankings[name];
    return own?.length === counts.length && own.every(({ count }, at) => count === counts[at]);
  });
