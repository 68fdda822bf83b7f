/**
 * A completion cut into steps: sentences, lines of a derivation, thoughts, tool calls and what tools gave back; and a
 * prompt into sentences. All are stretches of tokens.
 */
import { InputError, type Tokenizer } from "../../gpu/mod.ts";
import type { StepKind, StoredStretch } from "../../schema/tables/trace_values.ts";
import { firstPast, isControl, spell, type Spelled } from "../cases/segments.ts";
import { sentencesOf, type Span } from "../marks/sentences.ts";

/** What words and tokens are read with. */
export type Words = Pick<Tokenizer, "decode" | "token" | "isSpecial">;

/** A step of a completion: tokens from `start` to before `end`, counted from the prompt's first. */
export interface Step extends StoredStretch {
  readonly kind: StepKind;
}

/** Sentences and steps at most; of more, neighbours are taken together. */
const MOST_SENTENCES = 256;
const MOST_STEPS = 400;

/** A part of a text, and how it is cut. */
interface Part extends Span {
  readonly kind: "answer" | "thought" | "tool_call" | "tool_output";
}

/** What stands between the tags is a part with them; an open one goes on to the end. */
const TAGS = /<(think|tool_call|tool_response)>[\s\S]*?(?:<\/\1>|$)/g;
const TAG_KINDS = { think: "thought", tool_call: "tool_call", tool_response: "tool_output" } as const;
/** Calls as agents write them without tags, to where they end. */
const ACTION = /^[ \t]*Action:[\s\S]*?(?:<end_action>|$(?![\s\S]))/gm;
/** A step has words or numbers; marks alone belong to what stands before them. */
const CONTENT = /[\p{L}\p{N}]/u;
const ENDS_SENTENCE = /[.?!:][)\]"'”’*_]*$/;
const FENCE = /^```/;
/** Words of marks, which say nothing; those that open something. */
const MARKUP = /<\/?think>|```\w*/g;
const OPENING = /^\s*(?:<think>|```\w+)\s*$/;
const THOUGHT = /^\s*Thought:/;

/** Parts of a text, one behind the other, all of it. */
function partsOf(text: string, pattern: RegExp, kindOf: (match: RegExpMatchArray) => Part["kind"]): Part[] {
  const parts: Part[] = [];
  let start = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > start) parts.push({ start, end: match.index, kind: "answer" });
    start = match.index + match[0].length;
    parts.push({ start: match.index, end: start, kind: kindOf(match) });
  }
  if (start < text.length) parts.push({ start, end: text.length, kind: "answer" });
  return parts;
}

/** Tags first; in what is left, calls without tags. A thought that begins before the text ends at its tag. */
function readParts(whole: string): Part[] {
  const [unbegun] = /^(?:(?!<think>)[\s\S])*?<\/think>/.exec(whole) ?? [""];
  const head: Part[] = unbegun === "" ? [] : [{ start: 0, end: unbegun.length, kind: "thought" }];
  const text = whole.slice(unbegun.length);
  const moved = (part: Part, by: number): Part => ({ ...part, start: part.start + by, end: part.end + by });
  const tagged = partsOf(text, TAGS, ([, tag]) => TAG_KINDS[tag as keyof typeof TAG_KINDS]);
  return [
    ...head,
    ...tagged.flatMap((part) =>
      part.kind !== "answer"
        ? [moved(part, unbegun.length)]
        : partsOf(text.slice(part.start, part.end), ACTION, () => "tool_call")
          .map((inner) => moved(asThought(text, inner, part.start), unbegun.length + part.start))
    ),
  ];
}

/** What agents that call tools without tags think stands behind its name. */
const asThought = (text: string, part: Part, from: number): Part =>
  part.kind === "answer" && THOUGHT.test(text.slice(from + part.start)) ? { ...part, kind: "thought" } : part;

interface Piece extends Span {
  readonly kind: StepKind;
}

/** Sentences and lines; lines of fenced code are not looked into. */
function piecesOf(text: string, { start, end, kind }: Part): Piece[] {
  if (kind === "tool_call" || kind === "tool_output") return [{ start, end, kind }];
  const pieces: Piece[] = [];
  let fenced = false;
  for (const line of text.slice(start, end).matchAll(/[^\n]+/g)) {
    const from = start + line.index;
    const isFence = FENCE.test(line[0]);
    const spans = fenced || isFence ? [{ start: 0, end: line[0].length }] : sentencesOf(line[0]);
    if (isFence) fenced = !fenced;
    for (const span of spans) {
      const own = { start: from + span.start, end: from + span.end };
      const said = text.slice(own.start, own.end);
      const asLine = fenced || isFence || (spans.length === 1 && !ENDS_SENTENCE.test(said.trimEnd()));
      pieces.push({ ...own, kind: kind === "thought" ? "thought" : asLine ? "line" : "sentence" });
    }
  }
  return pieces;
}

/** Where steps of a text begin, and what they are; the first begins at its start. */
function cutText(text: string): Piece[] {
  const pieces: Piece[] = [];
  let open: number | null = null;
  for (const piece of readParts(text).flatMap((part) => piecesOf(text, part))) {
    const said = text.slice(piece.start, piece.end).replaceAll(MARKUP, "");
    const last = pieces.at(-1);
    if (CONTENT.test(said)) {
      pieces.push({ ...piece, start: open ?? piece.start });
      open = null;
      // What opens something belongs to what follows, all else without words to what stands before.
    } else if (last === undefined || OPENING.test(text.slice(piece.start, piece.end))) open ??= piece.start;
    else pieces[pieces.length - 1] = { ...last, end: piece.end };
  }
  return pieces;
}

/** Neighbours that may be joined are, two by two, until there are so many at most. */
function thinned<One>(all: readonly One[], most: number, join: (a: One, b: One) => One | null): readonly One[] {
  let list = all;
  while (list.length > most) {
    const joined: One[] = [];
    for (let at = 0; at < list.length; at++) {
      const next = list[at + 1];
      const both = next !== undefined && joined.length + list.length - at > most ? join(list[at]!, next) : null;
      joined.push(both ?? list[at]!);
      if (both !== null) at++;
    }
    if (joined.length === list.length) break;
    list = joined;
  }
  return list;
}

const textOf = (words: Words, ids: readonly number[]): string => words.decode(ids, { continues: true });

/** Steps that begin at ascending positions, the first at `from`, the last before `to`. */
function stepsFrom(
  words: Words,
  inputIds: readonly number[],
  starts: readonly { readonly start: number; readonly kind: StepKind }[],
  to: number,
): Step[] {
  return starts.map(({ start, kind }, index) => {
    const end = starts[index + 1]?.start ?? to;
    return { kind, start, end, text: textOf(words, inputIds.slice(start, end)).trim() };
  });
}

/** The steps of the tokens from `from` to before `to`; none where there are no tokens. */
function cutSteps(words: Words, inputIds: readonly number[], from: number, to: number): Step[] {
  if (from >= to) return [];
  const { text, ends } = spell(words, inputIds.slice(from, to));
  const starts: { start: number; kind: StepKind }[] = [];
  for (const { start, kind } of cutText(text)) {
    const token = starts.length === 0 ? from : from + firstPast(ends, start);
    if (token > (starts.at(-1)?.start ?? -1)) starts.push({ start: token, kind });
  }
  if (starts.length === 0) starts.push({ start: from, kind: "line" });
  return stepsFrom(words, inputIds, thinned(starts, MOST_STEPS, (a, b) => a.kind === b.kind ? a : null), to);
}

/** Words with which templates begin a message, and tokens that say the same. */
const ROLE = /^(system|user|assistant|tool|model|human|developer|ipython)[ \t]*(?:\n|$)/i;
const ROLE_TOKEN = /^<\|(system|user|assistant|tool)\|>$/i;

/** A message of a chat as its tokens have it, without what the template writes around it. */
interface Turn {
  /** In small letters; null where nothing says it. */
  readonly role: string | null;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * The messages of a prompt by the tokens that steer it: behind one of them a message may begin with its role. A plain
 * text is one message without a role.
 */
function turnsOf(words: Words, ids: readonly number[]): Turn[] {
  const turns: { role: string | null; start: number; end: number }[] = [];
  let role: string | null = null;
  let fresh = true;
  const isBorder = (position: number) =>
    position === 0 ? words.isSpecial(ids[0]!) : isControl(words, position, ids[position]!);
  for (let from = 0; from < ids.length;) {
    if (isBorder(from)) {
      const named = ROLE_TOKEN.exec(words.token(ids[from]!))?.[1];
      if (named !== undefined) [role, fresh] = [named.toLowerCase(), true];
      from++;
      continue;
    }
    let end = from + 1;
    while (end < ids.length && !isBorder(end)) end++;
    const { text, ends } = spell(words, ids.slice(from, end));
    const header = from > 0 ? ROLE.exec(text) : null;
    if (header) [role, fresh] = [header[1]!.toLowerCase(), true];
    const start = header
      ? from + (header[0].length < text.length ? firstPast(ends, header[0].length) : ends.length)
      : from;
    if (start < end && text.slice(header?.[0].length ?? 0).trim() !== "") {
      if (fresh || turns.length === 0) turns.push({ role, start, end });
      else turns.at(-1)!.end = end;
      fresh = false;
    }
    from = end;
  }
  return turns.map((turn) => ({ ...turn, text: textOf(words, ids.slice(turn.start, turn.end)) }));
}

/** A span of a text as tokens behind `from`; white space behind it belongs to it. */
function stretchOf(words: Words, ids: readonly number[], { ends }: Spelled, span: Span, from: number): StoredStretch {
  const start = Math.max(firstPast(ends, span.start), from);
  let end = firstPast(ends, span.end - 1) + 1;
  while (end < ids.length && !isControl(words, end, ids[end]!) && textOf(words, [ids[end]!]).trim() === "") end++;
  return { start, end, text: textOf(words, ids.slice(start, end)).trim() };
}

/**
 * The sentences of a prompt. What a template writes around its messages is none of them, nor are tokens that steer the
 * chat.
 */
function promptSentences(words: Words, promptIds: readonly number[], turns: readonly Turn[]): readonly StoredStretch[] {
  const sentences = turns.flatMap((turn) => {
    const ids = promptIds.slice(turn.start, turn.end);
    const spelled = spell(words, ids);
    const found: StoredStretch[] = [];
    for (const span of sentencesOf(spelled.text)) {
      const one = stretchOf(words, ids, spelled, span, found.at(-1)?.end ?? 0);
      if (one.end > one.start) found.push(one);
    }
    return found.map(({ start, end, text }) => ({ start: turn.start + start, end: turn.start + end, text }));
  });
  return thinned(sentences, MOST_SENTENCES, (a, b) => ({ start: a.start, end: b.end, text: `${a.text} ${b.text}` }));
}

/** What tools and environments give back. */
const OUTPUT = /<tool_response>|\[OUTPUT OF STEP \d+\]|^\s*Observation:/m;

/** Whether a chat is an agent's: behind a message of its own stands what a tool gave back. */
function isAgentic(turns: readonly Turn[]): boolean {
  const first = turns.findIndex(isOwnTurn);
  return first >= 0 &&
    turns.slice(first + 1).some(({ role, text }) =>
      role === "tool" || role === "ipython" || (role !== "assistant" && OUTPUT.test(text))
    );
}

const isOwnTurn = ({ role }: Turn): boolean => role === "assistant" || role === "model";

/** A prompt and a completion as a trace sees them. */
export interface CutCompletion {
  /** Tokens before the first step. */
  readonly promptTokens: number;
  readonly sentences: readonly StoredStretch[];
  /** Consecutive, up to the last token. */
  readonly steps: readonly Step[];
  /** Whether a token is left out: the first, and those that steer a chat, [tokens]. */
  readonly special: readonly boolean[];
}

/**
 * Cuts the tokens of a prompt and of a completion behind it. In an agent's prompt steps begin with its first own message:
 * earlier turns are steps as those of the completion are, and what tools gave back is no step of the model. With
 * `boundaries` steps begin there, whatever the text says. Throws InputError for boundaries outside of the tokens.
 */
export function cutCompletion(
  words: Words,
  inputIds: readonly number[],
  promptTokens: number,
  boundaries: readonly number[] | null,
): CutCompletion {
  const special = inputIds.map((id, position) => isControl(words, position, id));
  const turns = turnsOf(words, inputIds.slice(0, promptTokens));
  const agentic = isAgentic(turns);
  const own = agentic ? turns.filter(isOwnTurn) : [];
  const from = boundaries?.[0] ?? own[0]?.start ?? promptTokens;
  const given = agentic
    ? ranges(own.map(({ end }) => end), [...own.slice(1).map(({ start }) => start), promptTokens])
    : [];
  const sentences = promptSentences(
    words,
    inputIds.slice(0, from),
    turns.flatMap((turn) => turn.start < from ? [{ ...turn, end: Math.min(turn.end, from) }] : []),
  );
  const steps = boundaries ? chosenSteps(words, inputIds, boundaries, given) : [
    ...own.flatMap((turn, index) => [
      ...cutSteps(words, inputIds, turn.start, turn.end),
      outputStep(turns, given[index]!),
    ]),
    ...cutSteps(words, inputIds, promptTokens, inputIds.length),
  ];
  return { promptTokens: from, sentences, steps, special };
}

/** What stands between two of the model's own messages, named by the messages in it. */
function outputStep(turns: readonly Turn[], { start, end }: Pick<StoredStretch, "start" | "end">): Step {
  const texts = turns.filter((turn) => turn.start >= start && turn.end <= end).map(({ text }) => text.trim());
  return { kind: "tool_output", start, end, text: texts.join("\n") };
}

const ranges = (starts: readonly number[], ends: readonly number[]) =>
  starts.map((start, index) => ({ start, end: ends[index]! }));

/** Steps that somebody cut; one that lies within what a tool gave back is no step of the model. */
function chosenSteps(
  words: Words,
  inputIds: readonly number[],
  boundaries: readonly number[],
  given: readonly Pick<StoredStretch, "start" | "end">[],
): Step[] {
  const { length } = inputIds;
  boundaries.forEach((start, index) => {
    if (Number.isInteger(start) && start >= 1 && start < length && start > (boundaries[index - 1] ?? 0)) return;
    throw new InputError(
      `${start} is no place for a step to begin`,
      "boundaries",
      `give ascending positions from 1 to ${length - 1}`,
    );
  });
  return stepsFrom(
    words,
    inputIds,
    boundaries.map((start, index) => {
      const end = boundaries[index + 1] ?? length;
      const isOutput = given.some((range) => range.start <= start && end <= range.end);
      return { start, kind: isOutput ? "tool_output" : "chosen" };
    }),
    length,
  );
}
