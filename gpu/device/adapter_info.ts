/** Adapters in words. */

/** An adapter as people know it. `kind` says which of the adapter order's steps found it. */
export interface AdapterInfo {
  readonly kind: "hardware" | "system" | "bundled";
  /** The driver's own name, for example "SwiftShader Device (Subzero)". */
  readonly name: string;
  /** All that the driver says of the adapter and of itself: another one, or another driver, says something else. */
  readonly identity: string;
  /** Lanes a subgroup, or 0 when the adapter has no subgroups. */
  readonly lanes: number;
  /** Largest single binding in bytes. */
  readonly bindingBytes: number;
}

/** An adapter that was looked for. */
export interface FoundAdapter {
  /** In its driver's words, or what was looked for in vain. */
  readonly name: string;
  readonly kind: AdapterInfo["kind"];
  /** Whether it computes. */
  readonly chosen: boolean;
  /** Why it does or does not. */
  readonly why: string;
}
