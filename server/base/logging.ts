/** Logs: one line each on standard error, so that standard output stays free for results. */
import process from "node:process";
import { configure, getJsonLinesFormatter, getTextFormatter, type LogLevel } from "@logtape/logtape";
import { readLogFormat } from "./settings.ts";

/** Sets up logging for this process. `level` is the least that is shown. CULPRIT_LOG=json makes each line an object. */
export async function startLogging(level: LogLevel = "info"): Promise<void> {
  const text = getTextFormatter({
    timestamp: "time",
    level: "full",
    category: (category) => category.slice(1).join("."),
    format: ({ timestamp, level, category, message }) =>
      `${(timestamp ?? "").slice(0, 8)} ${level === "info" ? "" : `${level} `}${
        category === "" ? "" : `${category}: `
      }${message}`,
  });
  const format = readLogFormat() === "json" ? getJsonLinesFormatter({ message: "rendered" }) : text;
  await configure({
    reset: true,
    sinks: { stderr: (record) => void process.stderr.write(format(record)) },
    loggers: [
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
      { category: ["culprit"], lowestLevel: level, sinks: ["stderr"] },
    ],
  });
}
