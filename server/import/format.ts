/** What every importer's format is: JSON of one record in, responses out. */
import type { ChatMessage, CheckItem, ColumnNames, Detail, VerdictBasis } from "../../schema/tables/values.ts";
import type { ResponseIdentity } from "../cases/store_responses.ts";
import type { Cut } from "../base/container.ts";
import type { LoggedAnnotation } from "../cases/annotate.ts";
import type { Label } from "../diagnosis/labels.ts";
import type { ImportLine, ImportModel } from "./import_model.ts";
import type { Items } from "../benchmarks/items.ts";

/** The prompt of a logged response, as far as the log holds it. */
export type LoggedPrompt =
  /** A user's message; it is rendered unless it turns out to be rendered already. */
  | { readonly kind: "user"; readonly text: string }
  | {
    readonly kind: "chat";
    readonly messages: readonly ChatMessage[];
    /** Tool descriptions, as chat templates take them. */
    readonly tools?: readonly unknown[];
  }
  /** The text as the model read it. */
  | { readonly kind: "plain"; readonly text: string }
  | { readonly kind: "unknown" };

/** A response as a log holds it: not yet rendered, tokenised or checked. */
export interface LoggedResponse extends ResponseIdentity {
  /** The model's name in the log; undefined where the record has none. */
  readonly model: string | undefined;
  readonly prompt: LoggedPrompt;
  /** Text, or a turn with tool calls, which is written as the chat template writes it. */
  readonly completion: string | ChatMessage;
  readonly item: CheckItem | null;
  /** The final answer that the log took out of the completion; null where it found none, undefined where it says none. */
  readonly finalAnswer?: string | null;
  /** The log's own verdict; null when it has none. */
  readonly logged: LoggedVerdict | null;
  readonly instructionPhrases: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface LoggedVerdict {
  readonly passed: boolean | null;
  readonly reason?: string;
  readonly detail: Detail;
  /** What it rests on, where that is not the log's best word. */
  readonly basis?: VerdictBasis;
}

/** Why records that are no answers are left out; counted in the report. */
export type SkipReason =
  /** Scored choices: nothing was generated. */
  | "loglikelihood"
  /** A prompt that several requests share has no one answer. */
  | "several_requests"
  /** The answer stands in another file that is not given. */
  | "no_solution"
  /** No model call in the trace. */
  | "no_answer"
  /** The answer is stored, but there is no prompt to make a failure case of. */
  | "no_prompt";

export type Logged =
  | { readonly kind: "response"; readonly response: LoggedResponse }
  /** A placed failure case with its token pair. `build` throws InputError for one that does not fit its model. */
  | { readonly kind: "case"; readonly model: string | undefined; readonly build: (model: ImportModel) => ImportLine }
  | { readonly kind: "annotation"; readonly key: string; readonly annotation: LoggedAnnotation }
  | { readonly kind: "label"; readonly key: string; readonly label: LoggedLabel }
  | { readonly kind: "skipped"; readonly reason: SkipReason };

/** What a reader says of a token pair of a case. */
export interface LoggedLabel extends Label {
  readonly reader: string;
  readonly note: string;
  /** Text of the contrast of the pair that is meant; undefined where the case has one pair. */
  readonly contrast: string | undefined;
}

/** What is known of a file besides its records. */
export interface FileFacts {
  /** What people call it. */
  readonly name: string;
  readonly benchmark: string;
  readonly items: Items | undefined;
  /** What `Format.beside` found. */
  readonly beside?: unknown;
  /** The prompts of the log are what the model read, chat template or not. */
  readonly plain: boolean;
  /** Who made the annotations or labels of a file. */
  readonly annotator: string | undefined;
  /** Which columns are which, where people named them. */
  readonly columns?: ColumnNames | undefined;
}

/** A file as formats see it that read its records by themselves. */
export interface RecordSource {
  readonly path: string;
  /** What people call it. */
  readonly name: string;
  /** "text", or what else it is: "zip", "parquet". */
  readonly kind: string;
}

/** A record that a format found in a file by itself. */
export interface FoundRecord {
  /** Its JSON. */
  readonly text: string;
  readonly where: string;
  /** Counted from 0, of so many in the file. */
  readonly index: number;
  readonly count: number;
}

export interface Format {
  /** Whether a folder's file belongs to the format. */
  readonly accepts: (name: string) => boolean;
  /** Of a folder's files those that are read, where some only repeat what others hold. */
  readonly choose?: (names: readonly string[]) => readonly string[];
  /** What lies beside a file and belongs to it; handed to `read` as `facts.beside`. */
  readonly beside?: (path: string, items: Items | undefined) => Promise<unknown>;
  /** How a file is cut, where its name and first bytes do not say it. */
  readonly cut?: (name: string) => Cut | undefined;
  /**
   * The records of a file that holds them inside of something else; undefined where its text is cut. Throws InputError
   * for a file that cannot be read.
   */
  readonly records?: (file: RecordSource) => AsyncIterable<FoundRecord> | undefined;
  /** The model that the file's name, folder or neighbours name, in the log's words, best first. */
  readonly modelNames?: (path: string, name: string) => Promise<readonly string[]>;
  /** The benchmark that a file's name names, beside the model's where people said it; the format's own when undefined. */
  readonly benchmark?: (name: string, model: string | undefined) => string | undefined;
  /** Whether each record may name its model. */
  readonly recordsNameModels?: boolean;
  /** Whether a record with characters that cannot be stored is refused rather than mended: ids would not fit its text. */
  readonly exact?: boolean;
  /** Whether answers mean nothing without a benchmark's items. */
  readonly needsItems?: boolean;
  /** Throws InputError at `where` for a record that is not of the format. `ordinal` counts records from 1. */
  readonly read: (record: unknown, where: string, facts: FileFacts, ordinal: number) => readonly Logged[];
}
