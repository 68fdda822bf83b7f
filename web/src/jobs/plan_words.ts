/** What a run will take, in words. */
import type { Plan } from "./plan_documents.ts";

/** A time as people say it: a plan is right within a factor of two. */
export function describeSeconds(seconds: number): string {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `about ${roughly(seconds)} s`;
  if (seconds < 5400) return `about ${roughly(seconds / 60)} min`;
  return `about ${roughly(seconds / 3600)} h`;
}

/** Two digits. */
const roughly = (number: number) => Number(number.toPrecision(2)).toLocaleString("en");

/** Bytes in the decimal units of memory that people know: 6.9 MB, 1.2 GB. */
export function describeBytes(bytes: number): string {
  const [unit, size] = bytes < 1e9 ? ["MB", 1e6] as const : ["GB", 1e9] as const;
  const number = bytes / size;
  return `${number < 10 ? number.toFixed(1) : Math.round(number).toLocaleString("en")} ${unit}`;
}

/** One sentence about work that fits. */
export function describePlan({ runs, longest, seconds, gpuBytes, hostBytes }: Plan): string {
  if (runs === 0) return "Nothing is missing: every result is stored.";
  const memory = `${describeBytes(gpuBytes)} on the device and ${describeBytes(hostBytes)} beside it`;
  if (runs === 1) return `Takes ${describeSeconds(seconds)}, ${memory}.`;
  return `${runs.toLocaleString("en")} runs take ${describeSeconds(seconds)}; the longest, of ` +
    `${longest.toLocaleString("en")} tokens, ${memory}.`;
}
