/** A progress bar on standard error, drawn on a terminal only. */
import type { VerbContext } from "./verb.ts";

export interface ProgressBar {
  /** Shows that `done` of `total` of a phase are done. */
  readonly update: (progress: { readonly phase: string; readonly done: number; readonly total: number }) => void;
  /** Takes the bar away. */
  readonly end: () => void;
}

const WIDTH = 30;
const REDRAW_MS = 50;

export function progressBar({ progress, note }: Pick<VerbContext, "progress" | "note">): ProgressBar {
  let shown = "";
  let drawnMs = -Infinity;
  return {
    update: ({ phase, done, total }) => {
      const now = performance.now();
      if (!progress || now - drawnMs < REDRAW_MS && done < total) return;
      drawnMs = now;
      const share = total > 0 ? Math.min(1, done / total) : 0;
      const filled = Math.round(share * WIDTH);
      const bar = "#".repeat(filled) + "-".repeat(WIDTH - filled);
      const text = `${phase.padEnd(8)} [${bar}] ${String(Math.floor(share * 100)).padStart(3)} %`;
      if (text !== shown) note(`\r${text.padEnd(shown.length)}`);
      shown = text;
    },
    end: () => {
      if (shown) note(`\r${" ".repeat(shown.length)}\r`);
      shown = "";
    },
  };
}
