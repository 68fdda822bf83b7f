/** A progress bar on standard error, drawn on a terminal only. */
import { describeBytes } from "../../gpu/mod.ts";
import type { VerbContext } from "./verb.ts";

export interface PhaseProgress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  /** Bytes are written out, with the time that is left. */
  readonly unit?: "bytes";
}

export interface ProgressBar {
  /** Shows that `done` of `total` of a phase are done. */
  readonly update: (progress: PhaseProgress) => void;
  /** Takes the bar away. */
  readonly end: () => void;
}

const WIDTH = 30;
const REDRAW_MS = 50;

export function progressBar({ progress, note }: Pick<VerbContext, "progress" | "note">): ProgressBar {
  let shown = "";
  let drawnMs = -Infinity;
  /** Where the bytes were when we first looked: what was there before says nothing about the speed. */
  let first: { readonly done: number; readonly ms: number } | undefined;
  return {
    update: ({ phase, done, total, unit }) => {
      const now = performance.now();
      if (unit === "bytes") first ??= { done, ms: now };
      if (!progress || now - drawnMs < REDRAW_MS && done < total) return;
      drawnMs = now;
      const share = total > 0 ? Math.min(1, done / total) : 0;
      const filled = Math.round(share * WIDTH);
      const bar = "#".repeat(filled) + "-".repeat(WIDTH - filled);
      const text = `${phase.padEnd(8)} [${bar}] ${String(Math.floor(share * 100)).padStart(3)} %` +
        (unit === "bytes"
          ? `  ${describeBytes(done)} of ${describeBytes(total)}${timeLeft(first!, done, total, now)}`
          : "");
      if (text !== shown) note(`\r${text.padEnd(shown.length)}`);
      shown = text;
    },
    end: () => {
      if (shown) note(`\r${" ".repeat(shown.length)}\r`);
      shown = "";
    },
  };
}

/** From what came since we first looked; nothing before a second has passed. */
function timeLeft(
  first: { readonly done: number; readonly ms: number },
  done: number,
  total: number,
  now: number,
): string {
  const [bytes, ms] = [done - first.done, now - first.ms];
  if (bytes <= 0 || ms < 1000) return "";
  const seconds = Math.ceil((total - done) / bytes * ms / 1000);
  return `, ${seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`} left`;
}
