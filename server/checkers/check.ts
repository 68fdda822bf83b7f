/** The one door to all checkers: what kind of item it is decides who checks. A kind's module is loaded when first used. */
import type { CheckItem, Decided, Verdict } from "./checker.ts";

export interface Checkers {
  /** An item that cannot be read (an unknown instruction, missing arguments) gives `passed: null` and a reason. */
  readonly check: (item: CheckItem, response: string) => Promise<Verdict>;
  /** What tells from beginnings of responses that they fail; undefined where only whole ones can be judged. */
  readonly decided: (item: CheckItem) => Promise<Decided | undefined>;
  /** Ends what checkers keep open: the sandbox of HumanEval. */
  readonly close: () => Promise<void>;
}

/** Opens nothing by itself: the sandbox starts with the first program that it shall run. `oneSource`: of one file. */
export function openCheckers(options: { readonly oneSource?: boolean } = {}): Checkers {
  let sandbox: Promise<{ check: CodeCheck; close: () => Promise<void> | void }> | undefined;
  const openCode = () => sandbox ??= import("./code/sandbox.ts").then(({ openSandbox }) => openSandbox(options));
  return {
    check: async (item, response) => {
      switch (item.kind) {
        case "ifeval":
          return (await import("./ifeval/check.ts")).checkIfeval(item, response);
        case "math":
          return (await import("./math.ts")).checkMath(item, response);
        case "gsm8k":
          return (await import("./gsm8k.ts")).checkGsm8k(item, response);
        case "humaneval":
        case "evalplus":
          return await (await openCode()).check(item, response);
        case "gaia2":
          return (await import("./gaia2.ts")).checkGaia2(item, response);
      }
    },
    decided: async (item) =>
      item.kind === "ifeval" ? (await import("./ifeval/check.ts")).decidedIfeval(item) : undefined,
    close: async () => {
      await (await sandbox)?.close();
      sandbox = undefined;
    },
  };
}

type CodeCheck = (item: Extract<CheckItem, { kind: "humaneval" | "evalplus" }>, completion: string) => Promise<Verdict>;
