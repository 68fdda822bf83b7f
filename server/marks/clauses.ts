/** The clause of a sentence that holds a demand: several demands in one sentence are told apart. */
import type { Cues } from "./ifeval_cues.ts";
import { type Span, trimmed } from "./sentences.ts";

/** Words before a demand that say nothing of it. */
const CONNECTOR =
  /^(?:\d+[.)]\s+)?(?:(?:also|additionally|in addition|furthermore|moreover|finally|and|but|then|besides|lastly|now|basically|in particular|in other words)\b,?\s*)+/i;

/** How a sentence begins that demands something of the answer's form, instead of naming the task. */
const DEMAND = new RegExp(
  String
    .raw`^(?:please,?\s+|kindly\s+|explicitly\s+|just\s+|only\s+|let['’]s\s+|you\s+(?:should|must|need|can|are|cannot|may)\b)*(?:` +
    [
      String.raw`(?:make|making)\s+(?:sure|your|it\b)|be sure|ensure`,
      String.raw`do(?:\s+not|n['’]t)|never|no\b|avoid|refrain|exclude|not\b`,
      String
        .raw`(?:you[r]?|the|this|that|these|each|every|all|there|it|any|both|words?|letters?|commas?|double|paragraphs?|responses|sentences|at least)\b`,
      String
        .raw`(?:include|contain|use|put|wrap|add|highlight|italici[sz]e|separated?|end|finish|conclude|start|begin|repl?eat|first|keep|limit|mention|answer|respond|reply|have|capitali[sz]e|mark|choose|control|format|organize)\b`,
      String
        .raw`(?:in|at|throughout|for|before|after|when|as)\s+(?:the|your|you|this|that|exactly|all|it|every|each|outputting|saying|an?y?)\b`,
      String
        .raw`(?:write|give|provide|say|list|show)\s+(?:it|me\s+)?(?:exactly|at least|at most|less|fewer|more|in\b|no more|only)`,
      String
        .raw`to\b|i do(?:n['’]t| not) want|i(?:['’]d| would) like (?:your|there|for)|i (?:want|need) (?:you|the|your|there)\b`,
    ].join("|") + ")",
  "i",
);

/** A new demand, where it follows a mark or a joining word. */
const VERB_HEAD = "(?:" + [
  String
    .raw`(?:please|also|do(?:es)? not|do(?:es)?n['’]t|never|must|should|cannot|can not|can['’]t|mak(?:e|ing) sure|be(?:ing)? sure|ensur(?:e|ing)|includ(?:e|es|ing)|contain(?:s|ing)?|us(?:e|es|ing)|writ(?:e|ten)|put|wrap|add|highlight|italici[sz]e|separat(?:e|ing) (?:the|your|them|it|each|those|these)|end|finish|start|begin|repeat|keep|limit|avoid(?:ing)?|refrain(?:ing)?|exclud(?:e|ing)|mention|answer|respond|reply|have|has|be|organize|capitali[sz]e|give|mark)\b`,
  String.raw`you (?:must|should|cannot|can not|can['’]t|need|may)\b`,
  String.raw`(?:the|your|each|every|at least|all|this|it)\b[^,.;]{0,40}?\b(?:should|must|cannot|needs?)\b`,
  String.raw`i (?:want|need|would like)\b`,
].join("|") + ")";
const NOUN_HEAD = String
  .raw`(?:the (?:words?|letter|entire|whole|response|answer|title|total|very|keyword)|your|there|each|every|no\b|not\b|at the (?:end|very)|exactly|without|with|in (?:all|only|english|lower\w*|upper\w*|json)|only|for the|fewer|less than|at least|all (?:caps|capital|lower\w*)|an? (?:postscript|title)|double)\b`;
const MARK = String
  .raw`(?:\s*[,;]\s+(?:(?:and|but|then|where)\s+)?|\s+[-–—]{1,3}\s+|\s+(?:and|but|then)\s+(?:for\s+)?)`;

/** Where a part of a task's sentence may begin that is about the form. */
const STRONG = String
  .raw`(?:with(?:out)?|using|that (?:has|have|is|are|['’]s|contains?|includes?|do(?:es)?(?: not|n['’]t)|uses?|starts?|ends?)|that['’]s|which|wrapped|written|making sure|containing|including|includes|has|have|separat(?:ed|ing)|followed by|following (?:six|\d)|into (?:exactly|at least|two|three|four|five|\d)|consisting)\b`;
const WEAK = String
  .raw`(?:in (?:all|only|exactly|json|lower\w*|upper\w*|capital|english|at|less|under|\d+|one|two|three|four|five|(?:a |the )?(?:form of (?:a )?(?:json|exactly)|\w+ language)|\p{Lu}\w+ (?:only|language))|of (?:at least|less|exactly)|only|under|less than|at least|exactly)\b`;

const CUTS = {
  verb: new RegExp(`(?:${MARK}|\\s+\\()(?=${VERB_HEAD})`, "giu"),
  noun: new RegExp(`${MARK}(?=${NOUN_HEAD})`, "giu"),
  strong: new RegExp(`[,;]?\\s+(?=${STRONG})`, "giu"),
  weak: new RegExp(`[,;]?\\s+(?=${WEAK})`, "giu"),
};

/** Words that lead into a demand without being one: "At the end of your response,". */
const LEAD =
  /^(?:in|at|throughout|for|before|after|when|as|please|first|finally|to|(?:your|the|there|each|it)\b.*\b(?:response|answer|reply|output|that|which))\b[^,]*$/i;

/** A way to cut: the clause before ends at `start`, the next begins at `end`. */
type Cut = Span;
type Cuts = Readonly<Record<keyof typeof CUTS, readonly Cut[]>>;

/** The part of a sentence that states the demand whose heart is given; `others` are the hearts of other demands. */
export function clauseOf(
  text: string,
  sentence: Span,
  heart: Span,
  others: readonly Span[],
  also?: Cues["also"],
): Span {
  const inside = others.filter(({ start, end }) => start < sentence.end && end > sentence.start);
  const before = Math.max(sentence.start, ...inside.filter(({ end }) => end <= heart.start).map(({ end }) => end));
  const after = Math.min(sentence.end, ...inside.filter(({ start }) => start >= heart.end).map(({ start }) => start));
  const cuts = Object.fromEntries(
    Object.entries(CUTS).map(([name, expression]) => [name, cutsOf(text, sentence, expression)]),
  ) as Cuts;
  const { at, embedded } = startOf(text, sentence, heart, before, cuts, also);
  const next = after === sentence.end
    ? after
    : (latest(cuts.verb, heart.end, after) ?? latest(cuts.noun, heart.end, after) ??
      latest(cuts.strong, heart.end, after) ?? latest(cuts.weak, heart.end, after))?.start ?? after;
  const end = endOf(text, { start: sentence.start, end: next }, heart, at, embedded);
  return withoutMarks(text, { start: at, end }, heart);
}

interface Start {
  readonly at: number;
  /** It stands inside of a sentence about the task. */
  readonly embedded: boolean;
}

function startOf(text: string, sentence: Span, heart: Span, before: number, cuts: Cuts, also?: RegExp): Start {
  const without = /\bwithout\s+(?:\w+\s+){0,4}$/i.exec(text.slice(before, heart.start));
  if (without) return { at: before + without.index, embedded: true };
  const lead = CONNECTOR.exec(text.slice(sentence.start, sentence.end))?.[0].length ?? 0;
  const first = sentence.start + lead;
  const verb = latest(cuts.verb, Math.max(before, first), heart.start);
  if (before === sentence.start && DEMAND.test(text.slice(first, sentence.end))) {
    const piece = verb && text.slice(first, verb.start);
    return { at: piece === undefined || LEAD.test(piece) || also?.test(piece) ? first : verb!.end, embedded: false };
  }
  const noun = latest(cuts.noun, before, heart.start);
  if (verb) {
    const earlier = latest(cuts.noun, before, verb.start);
    const leads = earlier !== undefined && LEAD.test(text.slice(earlier.end, verb.start));
    return { at: leads ? earlier.end : verb.end, embedded: false };
  }
  if (noun && before > sentence.start) return { at: noun.end, embedded: false };
  const strong = latest(cuts.strong, before, heart.start);
  if (strong && heart.start - strong.end < 60 && !text.slice(strong.end, heart.start).includes(",")) {
    return { at: strong.end, embedded: true };
  }
  const weak = latest(cuts.weak, before, heart.start) ?? noun;
  return { at: weak?.end ?? heart.start, embedded: true };
}

/** Goes on behind a demand inside of a task's sentence, instead of saying more of it. */
const TASK_GOES_ON =
  /^(?:\s+(?:or (?:more|less|fewer)|long))?(?=,?\s+(?:about|for|on|to|of|that|which|where|who|explaining|describing|targeting|asking|ask|how|in which)\b)/i;
const ASIDE = /,\s+(?:for (?!example)|about|to|explaining|targeting)\b/i;
/** A text that is given to work on. */
const GIVEN = /:\s+["“]?\p{Lu}/u;

function endOf(text: string, sentence: Span, heart: Span, at: number, embedded: boolean): number {
  const tail = text.slice(heart.end, sentence.end);
  const given = GIVEN.exec(tail)?.index ?? tail.length;
  if (!embedded) return heart.end + given;
  // "a 300+ word summary": the noun belongs to the task.
  const adjective = at === heart.start && !/^exactly\b/i.test(text.slice(at, heart.end));
  if (adjective && /^\s+(?!or|in|with|separated|represented|such|like|long)\p{L}/u.test(tail)) return heart.end;
  const stop = TASK_GOES_ON.exec(tail);
  if (stop) return heart.end + stop[0].length;
  const verb = latest(cutsOf(text, sentence, CUTS.verb), heart.end, sentence.end)?.start ?? sentence.end;
  return Math.min(heart.end + given, heart.end + (ASIDE.exec(tail)?.index ?? tail.length), verb);
}

function cutsOf(text: string, { start, end }: Span, expression: RegExp): readonly Cut[] {
  return [...text.slice(start, end).matchAll(expression)]
    .map(({ index, 0: found }) => ({ start: start + index, end: start + index + found.length }));
}

const latest = (cuts: readonly Cut[], from: number, to: number): Cut | undefined =>
  cuts.findLast(({ start, end }) => start >= from && end <= to);

/** Without the marks and joining words around a clause; what its heart holds stays. */
export function withoutMarks(text: string, span: Span, heart: Span): Span {
  let { start, end } = trimmed(text, span);
  start += /^(?:[,;:)\s–—-]+|(?:and|but|then)\s+)+/i.exec(text.slice(start, end))?.[0].length ?? 0;
  for (;;) {
    const cut = /(?:[,;:\s]+|\s+(?:and|but|or|then|with|without|using)|(?<!\bP\.\s?S|\betc|\.\.)\.|\?)$/i.exec(
      text.slice(start, end),
    );
    if (cut === null || cut.index === 0 || start + cut.index < heart.end) return { start, end };
    end = start + cut.index;
  }
}
