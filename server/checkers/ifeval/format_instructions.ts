/** Instructions on the form of a response: marks, sections, quotes, its start and its end. */
import { count, text } from "./arguments.ts";
import type { Instruction } from "./instruction.ts";
import { isPythonJson } from "./python_json.ts";
import { countMatches, found, pythonRegex } from "./python_regex.ts";
import { SPACE, strip, stripCharacters } from "./python_text.ts";

/** White space before a mark, back to the start of its line. */
const INDENT = String.raw`(?<![^\n])[[${SPACE}]--\n]*`;
/**
 * The reference's `^\s*\*[^\*].*$` and `^\s*-.*$`, found from the mark on: long runs of newlines, as a model in a loop
 * writes them, would take seconds from the start of each line. A match that swallows a newline swallows the next line.
 */
export const STAR_BULLETS = new RegExp(String.raw`\*(?<=${INDENT}\*)[^*][^\n]*`, "gv");
export const DASH_BULLETS = new RegExp(String.raw`-(?<=${INDENT}-)[^\n]*`, "gv");
const HIGHLIGHTS = /\*[^\n*]*\*/g;
const DOUBLE_HIGHLIGHTS = /\*\*[^\n*]*\*\*/g;
const ANSWERS = ["My answer is yes.", "My answer is no.", "My answer is maybe."];
const CODE_FENCES = ["```json", "```Json", "```JSON", "```"];
/** Without the reference's spaces before and rest of the line, which may be empty. */
const POSTSCRIPTS: Readonly<Record<string, string>> = {
  "P.P.S": String.raw`p\.\s?p\.\s?s`,
  "P.S.": String.raw`p\.\s?s\.`,
};

export const FORMATS: Readonly<Record<string, Instruction>> = {
  "punctuation:no_comma": () => (response) => response.includes(",") ? "there is a comma" : undefined,
  "detectable_content:number_placeholders": (from) => {
    const asked = count(from, "num_placeholders");
    return (response) => atLeast(countPlaceholders(response), asked, "placeholders in square brackets");
  },
  "detectable_content:postscript": (from) => {
    const marker = strip(text(from, "postscript_marker"));
    const pattern = Object.hasOwn(POSTSCRIPTS, marker) ? POSTSCRIPTS[marker]! : marker.toLowerCase();
    const regex = pythonRegex(pattern, { multiline: true });
    return (response) => found(regex, response.toLowerCase()) ? undefined : `there is no ${JSON.stringify(marker)}`;
  },
  "detectable_format:number_bullet_lists": (from) => {
    const asked = count(from, "num_bullets");
    return (response) => {
      // Every line that begins with a dash counts, a rule of dashes too; one that begins with ** does not.
      const actual = countMatches(STAR_BULLETS, response) + countMatches(DASH_BULLETS, response);
      return actual === asked ? undefined : `${actual} bullets, not ${asked}`;
    };
  },
  "detectable_format:constrained_response": () => (response) =>
    ANSWERS.some((answer) => response.includes(answer)) ? undefined : `it has none of ${ANSWERS.join(" ")}`,
  "detectable_format:number_highlighted_sections": (from) => {
    const asked = count(from, "num_highlights");
    return (response) => {
      const single = (response.match(HIGHLIGHTS) ?? []).filter((part) => strip(stripCharacters(part, "*")) !== "");
      const double = (response.match(DOUBLE_HIGHLIGHTS) ?? []).filter((part) => strip(part.slice(2, -2)) !== "");
      return atLeast(single.length + double.length, asked, "highlighted sections");
    };
  },
  "detectable_format:multiple_sections": (from) => {
    const splitter = strip(text(from, "section_spliter"));
    const regex = pythonRegex(`\\s?${splitter}\\s?\\d+\\s?`);
    const asked = count(from, "num_sections");
    // Python's split puts the groups of the pattern among the pieces, and the reference counts them.
    return (response) => {
      const matches = [...response.matchAll(regex)];
      const actual = matches.reduce((sum, match) => sum + match.length, 0);
      return atLeast(actual, asked, `sections that begin with ${JSON.stringify(splitter)} and a number`);
    };
  },
  "detectable_format:json_format": () => (response) => {
    let body = strip(response);
    for (const fence of CODE_FENCES) if (body.startsWith(fence)) body = body.slice(fence.length);
    if (body.endsWith("```")) body = body.slice(0, -3);
    return isPythonJson(strip(body)) ? undefined : "it is not JSON";
  },
  "detectable_format:title": () => (response) => {
    const titles = response.split("\n").map(title);
    const named = titles.some((title) =>
      strip(stripCharacters(stripCharacters(title, "<", "start"), ">", "end")) !== ""
    );
    return named ? undefined : "there is no title in << >>";
  },
  "combination:two_responses": () => (response) => {
    const parts = response.split("******").map(strip);
    if (parts.slice(1, -1).includes("")) return "a response between two ****** is blank";
    const answers = parts.filter((part) => part !== "");
    if (answers.length !== 2) return `${answers.length} responses divided by ******, not 2`;
    return answers[0] === answers[1] ? "both responses are the same" : undefined;
  },
  "combination:repeat_prompt": (from) => {
    const prompt = strip(text(from, "prompt_to_repeat")).toLowerCase();
    return (response) =>
      strip(response).toLowerCase().startsWith(prompt) ? undefined : "it does not begin with the prompt";
  },
  "startend:end_checker": (from) => {
    const phrase = strip(text(from, "end_phrase"));
    const ending = phrase.toLowerCase();
    return (response) =>
      stripCharacters(strip(response), '"').toLowerCase().endsWith(ending)
        ? undefined
        : `it does not end with ${JSON.stringify(phrase)}`;
  },
  "startend:quotation": () => (response) => {
    const body = strip(response);
    return body.length > 1 && body.startsWith('"') && body.endsWith('"') ? undefined : "it is not in double quotes";
  },
};

function atLeast(actual: number, asked: number, what: string): string | undefined {
  return actual >= asked ? undefined : `${actual} ${what}, not at least ${asked}`;
}

/** How often `\[.*?\]` is found: brackets that close in their line. */
function countPlaceholders(response: string): number {
  let found = 0;
  for (const line of response.split("\n")) {
    let open = line.indexOf("[");
    for (let close; open >= 0 && (close = line.indexOf("]", open)) >= 0; open = line.indexOf("[", close)) found += 1;
  }
  return found;
}

/** What `<<[^\n]+>>` finds in a line: from the first << to the last >>; empty when it finds nothing. */
function title(line: string): string {
  const start = line.indexOf("<<");
  const end = line.lastIndexOf(">>");
  return start >= 0 && end >= start + 3 ? line.slice(start, end + 2) : "";
}
