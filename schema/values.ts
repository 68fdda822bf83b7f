/** Shapes of the JSON columns and of what passes between the schema and the server. */

/** One message of the chat that the prompt was rendered from. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** An alternative at the position of the first wrong token, with the evidence for or against it. */
export interface Candidate {
  /** Rank among all logits, 0 = the argmax. */
  readonly rank: number;
  readonly id: number;
  readonly text: string;
  readonly logit: number;
  /** What greedy decoding made of it, null when it was not tried. */
  readonly completion: string | null;
  /** The checker's verdict on that completion, null when it was not tried. */
  readonly passed: boolean | null;
}

export interface ImportFailure {
  /** Line of the file, counted from 1. */
  readonly line: number;
  readonly message: string;
}

/** What an import did. `failed` holds the first failures, `failedCount` counts all of them. */
export interface ImportReport {
  /** Lines read so far. */
  readonly lines: number;
  readonly inserted: number;
  readonly unchanged: number;
  readonly failedCount: number;
  readonly failed: readonly ImportFailure[];
}

export type Rule = "attnlrp" | "cplrp" | "gradient";

/** What a job was asked to do, as stored with it. */
export type JobInput =
  | { readonly kind: "attribute"; readonly rule: Rule; readonly tokenPairIds: readonly number[] | "missing" | "clean" }
  | {
    readonly kind: "import";
    /** The file to read. */
    readonly path: string;
    /** What people call it: the name of the upload or the path they gave. */
    readonly name: string;
    /** SHA-256 of an upload, whose copy is removed when the import has ended; null for a file of the server. */
    readonly uploadHash: string | null;
  };
