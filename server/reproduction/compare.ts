/** Whether the numbers of two runs agree within the document's tolerance. */
import { TOLERANCE } from "./document.ts";
import { findingsOf } from "./findings.ts";
import type { ReproductionNumbers } from "./numbers.ts";

/** One line for each number or verdict that lies too far from the stored one. */
export function compareNumbers(stored: ReproductionNumbers, fresh: ReproductionNumbers): string[] {
  const gaps: string[] = [];
  if (JSON.stringify(stored.study) !== JSON.stringify(fresh.study)) {
    gaps.push("the study is another one than that of the stored numbers");
  }
  const count = (what: string, a: number, b: number | undefined, whole: number) => {
    if (b === undefined) gaps.push(`${what}: ${a} is stored, now there is none`);
    else if (Math.abs(a - b) > Math.max(TOLERANCE.counts, TOLERANCE.share * whole)) {
      gaps.push(`${what}: ${a} is stored, now ${b}`);
    }
  };
  const average = (what: string, a: number | undefined, b: number | undefined) => {
    if (a === undefined && b === undefined) return;
    if (a === undefined || b === undefined || Math.abs(a - b) > TOLERANCE.mean) {
      gaps.push(`${what}: ${a?.toFixed(3) ?? "none"} is stored, now ${b?.toFixed(3) ?? "none"}`);
    }
  };
  for (const row of stored.failures) {
    const own = fresh.failures.find(({ benchmark }) => benchmark === row.benchmark);
    for (const field of ["answers", "failures", "clean", "excluded"] as const) {
      count(`${row.benchmark}, ${field}`, row[field], own?.[field], row.answers);
    }
  }
  const diagnosed = (
    rows: ReproductionNumbers["diagnoses"],
    of: (row: ReproductionNumbers["diagnoses"][number]) => boolean,
  ) => rows.filter(of).reduce((sum, row) => sum + row.count, 0);
  for (const benchmark of new Set([...stored.diagnoses, ...fresh.diagnoses].map((row) => row.benchmark))) {
    const whole = diagnosed(stored.diagnoses, (row) => row.benchmark === benchmark);
    for (const name of ["m_ia", "nc_ia_m_ag", "nc_ia_ag", "urt", "oit", "urt_oit"]) {
      const of = (rows: ReproductionNumbers["diagnoses"]) =>
        diagnosed(rows, (row) => row.benchmark === benchmark && (row.outcome === name || row.pattern === name));
      count(`${benchmark}, ${name}`, of(stored.diagnoses), of(fresh.diagnoses), whole);
    }
  }
  for (const { layer, share } of stored.sink) {
    average(`first token's share in layer ${layer}`, share, fresh.sink.find((one) => one.layer === layer)?.share);
  }
  for (const row of stored.masking) {
    const own = fresh.masking.find(({ ranking, replacement }) =>
      ranking === row.ranking && replacement === row.replacement
    );
    average(`area of ${row.ranking}, ${row.replacement}`, row.area.value, own?.area.value);
  }
  for (const { series, summary } of stored.series) {
    const own = fresh.series.find((one) => one.series === series)?.summary;
    for (const { label, delta } of summary.members) {
      average(
        `${series}, mean delta of ${label}`,
        delta?.value,
        own?.members.find((one) => one.label === label)?.delta?.value,
      );
    }
    for (const verdict of ["corrected", "not_corrected", "undecided"] as const) {
      count(`${series}, ${verdict}`, summary.counts[verdict], own?.counts[verdict], summary.both);
    }
  }
  const now = findingsOf(fresh);
  findingsOf(stored).forEach(({ claim, verdict }, index) => {
    if (now[index]?.verdict !== verdict) {
      gaps.push(`"${claim}" ${verdict} by the stored numbers, now: ${now[index]?.verdict ?? "not asked"}`);
    }
  });
  return gaps;
}
