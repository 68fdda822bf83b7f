/** A progress bar on standard error, drawn on a terminal only. */
import { describeBytes } from "../../gpu/mod.ts";
import type { VerbContext } from "./verb.ts";

export interface PhaseProgress {
  readonly phase: string;
  readonly done: number;
  /** 0 while nobody knows how much there is. */
  readonly total: number;
  /** Bytes are written out. */
  readonly unit?: "bytes";
  /** How much of what is not done yet is under way, in the unit of `done`. */
  readonly underWay?: number;
  /** What is being done just now, in a few words. */
  readonly detail?: string;
}

export interface ProgressBar {
  /** Shows that `done` of `total` of a phase are done. */
  readonly update: (progress: PhaseProgress) => void;
  /** Takes the bar away. */
  readonly end: () => void;
}

/** Letters of the bar, of the phase before it, and of the whole line. */
const [WIDTH, NAME, LINE] = [24, 8, 79];
const REDRAW_MS = 50;

/** Where a phase was when we first looked: what was there before says nothing about its speed. */
interface Beginning {
  readonly phase: string;
  readonly total: number;
  readonly done: number;
  readonly ms: number;
}

export function progressBar({ progress, note }: Pick<VerbContext, "progress" | "note">): ProgressBar {
  let shown = "";
  let drawnMs = -Infinity;
  let began: Beginning | undefined;
  return {
    update: (next) => {
      const { phase, total } = next;
      const done = next.done + (next.underWay ?? 0);
      const now = performance.now();
      const isNew = began?.phase !== phase || began.total !== total || done < began.done;
      if (isNew) began = { phase, total, done, ms: now };
      if (!progress || !isNew && now - drawnMs < REDRAW_MS && done < total) return;
      drawnMs = now;
      const text = lineOf(next, timeLeft(began!, done, total, now));
      if (text !== shown) note(`\r${text.padEnd(shown.length)}`);
      shown = text;
    },
    end: () => {
      if (shown) note(`\r${" ".repeat(shown.length)}\r`);
      shown = "";
    },
  };
}

function lineOf({ phase, done, total, unit, underWay = 0, detail }: PhaseProgress, left: string): string {
  const share = total > 0 ? Math.min(1, (done + underWay) / total) : 0;
  const filled = Math.round(share * WIDTH);
  const bar = "#".repeat(filled) + "-".repeat(WIDTH - filled);
  const amount = total === 0 ? [] : [
    unit === "bytes" ? `${describeBytes(done)} of ${describeBytes(total)}` : `${Math.floor(done)}/${Math.ceil(total)}`,
  ];
  const words = [...amount, ...(left === "" ? [] : [left]), ...(detail === undefined ? [] : [detail])].join(", ");
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  return `${phase.slice(0, NAME).padEnd(NAME)} [${bar}] ${percent} %  ${words}`.slice(0, LINE);
}

/** From what came since we first looked; nothing before a second has passed. */
function timeLeft({ done: first, ms }: Beginning, done: number, total: number, now: number): string {
  if (done <= first || done >= total || now - ms < 1000) return "";
  return secondsLeft((total - done) / (done - first) * (now - ms) / 1000);
}

/** A time in words. */
export function secondsLeft(exact: number): string {
  const seconds = Math.ceil(exact);
  if (seconds < 120) return `${seconds} s left`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} min left` : `${Math.ceil(seconds / 3600)} h left`;
}
