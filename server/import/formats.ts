/** The formats that can be imported, by the names that people type. */
import type { ImportFormat } from "../../schema/tables/values.ts";
import { annotations } from "./annotations.ts";
import { columns } from "./columns.ts";
import { culprit } from "./culprit.ts";
import { debugXai } from "./debug_xai.ts";
import { evalplus } from "./evalplus.ts";
import type { Format } from "./format.ts";
import { gaia2 } from "./gaia2.ts";
import { helm } from "./helm.ts";
import { ifeval } from "./ifeval.ts";
import { inspect } from "./inspect.ts";
import { labels } from "./labels.ts";
import { lighteval } from "./lighteval.ts";
import { lmEval } from "./lm_eval.ts";
import { math } from "./math.ts";
import { openCompass } from "./opencompass.ts";

export const FORMATS: Readonly<Record<ImportFormat, Format>> = {
  "lm-eval": lmEval,
  "ifeval": ifeval,
  "evalplus": evalplus,
  "math": math,
  "gaia2": gaia2,
  "inspect": inspect,
  "leaderboard": lighteval,
  "lighteval": lighteval,
  "opencompass": openCompass,
  "helm": helm,
  "columns": columns,
  "debug-xai": debugXai,
  "culprit": culprit,
  "annotations": annotations,
  "labels": labels,
};
