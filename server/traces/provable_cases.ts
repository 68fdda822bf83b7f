/** Stored failures on which rankings of the prompt can be compared. */
import type { Database } from "../../schema/tables/database.ts";
import { pairsOf } from "../jobs/pair_selection.ts";
import type { PairSearchParts } from "../search/parts.ts";
import { storedCase } from "../search/stored_case.ts";
import type { ProofCase } from "./proof.ts";

/** Clean pairs of a benchmark, one a case, drawn by the seed; cases that nothing checks are left out. */
export async function provableCases(
  db: Database,
  { benchmark, limit, seed }: {
    readonly benchmark: string;
    readonly limit: number;
    readonly seed: number;
  },
  parts: Pick<PairSearchParts, "checkers" | "tokenizer" | "model">,
): Promise<ProofCase[]> {
  const selection = {
    selection: "clean",
    model: parts.model.name,
    benchmarks: [benchmark],
    key: null,
    limit: null,
    seed,
  } as const;
  const ids = await pairsOf(db, selection);
  const found = new Map<number, ProofCase>();
  for (let from = 0; from < ids.length && found.size < limit; from += limit) {
    const part = ids.slice(from, from + limit);
    const rows = await db.query.tokenPairs.findMany({ where: { id: { in: part } }, with: { failureCase: true } });
    for (const id of part) {
      const row = rows.find((one) => one.id === id)!;
      const { failureCase } = row;
      const searchCase = storedCase(failureCase, parts.checkers, parts);
      if (searchCase.check === undefined || found.has(failureCase.id) || found.size >= limit) continue;
      found.set(failureCase.id, {
        key: failureCase.key,
        inputIds: failureCase.inputIds,
        promptTokens: failureCase.promptTokens,
        special: Array.from(failureCase.editedSegments ?? failureCase.segments, (letter) => letter === "S"),
        target: row.targetId,
        contrast: row.contrastId,
        searchCase,
      });
    }
  }
  return [...found.values()];
}
