/** A dull response that follows all demands of a training prompt: what shows in tests that it can be followed. */
import type { TrainingPrompt } from "../server/benchmarks/training_prompts/make_prompts.ts";

/** Sentences in the languages that are asked for. */
const SENTENCES: Readonly<Record<string, string>> = {
  de: "Wir gehen heute mit den Kindern durch den alten Wald und sprechen dabei über das Wetter und den Garten.",
  fr: "Nous marchons dans la vieille forêt avec les enfants et nous parlons du temps et du jardin.",
  es: "Caminamos por el viejo bosque con los niños y hablamos del tiempo y del jardín de la casa.",
  it: "Camminiamo nel vecchio bosco con i bambini e parliamo del tempo e del giardino della nonna.",
  pt: "Caminhamos pela velha floresta com as crianças e não falamos do tempo nem do jardim da avó.",
  ru: "Мы идём по старому лесу вместе с детьми и говорим о погоде и о саде.",
  hi: "हम बच्चों के साथ पुराने जंगल में चलते हैं और मौसम और बगीचे के बारे में बात करते हैं।",
  ar: "نمشي مع الأطفال في الغابة القديمة ونتحدث عن الطقس وعن حديقة البيت.",
  ko: "우리는 아이들과 함께 오래된 숲을 걸으며 날씨와 정원에 대해 이야기합니다.",
  vi: "Chúng tôi đi bộ trong khu rừng cũ với bọn trẻ và nói chuyện về thời tiết và khu vườn.",
};

/**
 * Has none of the letters that may be asked for rarely, no comma, and no word that may be forbidden; long enough for its
 * language to be seen in capital letters.
 */
const SENTENCE = "we often walk along the old road and talk about the weather there " +
  "and then all of us go home again and have something to eat";

export function followingResponse({ instruction_id_list: types, kwargs }: TrainingPrompt): string {
  const argumentsOf = (type: string) => kwargs[types.indexOf(type)];
  const has = (type: string) => types.includes(type);
  const number = (type: string, name: string, otherwise: number) => Number(argumentsOf(type)?.[name] ?? otherwise);
  const keywords = (argumentsOf("keywords:existence")?.["keywords"] ?? []) as string[];
  if (has("detectable_format:constrained_response")) return "My answer is yes.";
  if (has("detectable_format:json_format")) return JSON.stringify({ text: keywords.join(" ") });
  const language = argumentsOf("language:response_language")?.["language"];
  const line = typeof language === "string" ? SENTENCES[language]! : `${SENTENCE}.`;
  const frequency = argumentsOf("keywords:frequency");
  const repeated = frequency?.["relation"] === "at least"
    ? Array<string>(frequency["frequency"] as number).fill(String(frequency["keyword"]))
    : [];
  const letters = argumentsOf("keywords:letter_frequency");
  const spelled = letters?.["let_relation"] === "at least"
    ? [String(letters["letter"]).repeat(letters["let_frequency"] as number)]
    : [];
  const capital = argumentsOf("change_case:capital_word_frequency");
  const shouted = capital?.["capital_relation"] === "at least"
    ? Array<string>(capital["capital_frequency"] as number).fill("WE")
    : [];
  const words = argumentsOf("length_constraints:number_words");
  const sentences = argumentsOf("length_constraints:number_sentences");
  const lines = words?.["relation"] === "at least"
    ? Math.ceil((words["num_words"] as number) / SENTENCE.split(" ").length)
    : sentences?.["relation"] === "at least"
    ? sentences["num_sentences"] as number
    : 1;
  const extras = [...keywords, ...repeated, ...spelled, ...shouted].join(" ");
  const marked = [
    ...Array.from(
      { length: number("detectable_format:number_highlighted_sections", "num_highlights", 0) },
      () => "*here*",
    ),
    ...Array.from({ length: number("detectable_content:number_placeholders", "num_placeholders", 0) }, () => "[day]"),
  ].join(" ");
  const start = argumentsOf("length_constraints:nth_paragraph_first_word");
  // Not at the start of a line, where an asterisk is a bullet.
  const more = extras === "" && marked === "" ? [] : ["so", extras, marked].filter((part) => part !== "");
  const body = [...more, ...Array<string>(lines).fill(line)].join(" ");
  const text = framed(inParts(body, { has, number, start, line, sections: argumentsOf(SECTIONS) }), {
    has,
    marker: argumentsOf("detectable_content:postscript")?.["postscript_marker"],
    ending: argumentsOf("startend:end_checker")?.["end_phrase"],
    repeat: argumentsOf("combination:repeat_prompt")?.["prompt_to_repeat"],
  });
  return has("change_case:english_capital")
    ? text.toUpperCase()
    : has("change_case:english_lowercase")
    ? text.toLowerCase()
    : text;
}

const SECTIONS = "detectable_format:multiple_sections";

type Has = (type: string) => boolean;
type Kwargs = Readonly<Record<string, unknown>> | undefined;

/** Paragraphs, sections, bullets, or two responses. */
function inParts(
  body: string,
  { has, number, start, line, sections }: {
    readonly has: Has;
    readonly number: (type: string, name: string, otherwise: number) => number;
    readonly start: Kwargs;
    readonly line: string;
    readonly sections: Kwargs;
  },
): string {
  const times = (count: number, part: (at: number) => string) => Array.from({ length: count }, (_, at) => part(at));
  let text = body;
  if (has("length_constraints:number_paragraphs")) {
    const count = number("length_constraints:number_paragraphs", "num_paragraphs", 1);
    text = [body, ...times(count - 1, () => line)].join("\n***\n");
  } else if (start !== undefined) {
    const parts = [...times(start["num_paragraphs"] as number - 1, () => line), body];
    parts[start["nth_paragraph"] as number - 1] = `${String(start["first_word"])} ${
      parts[start["nth_paragraph"] as number - 1]
    }`;
    text = parts.join("\n\n");
  } else if (sections !== undefined) {
    const head = (at: number) => `${String(sections["section_spliter"])} ${at + 1}\n${at === 0 ? body : line}`;
    text = times(sections["num_sections"] as number, head).join("\n");
  }
  if (has("detectable_format:number_bullet_lists")) {
    text += times(number("detectable_format:number_bullet_lists", "num_bullets", 0), () => "\n* so").join("");
  }
  return has("combination:two_responses") ? `${text}\n******\n${text} again` : text;
}

/** What stands before and behind the text. */
function framed(
  text: string,
  { has, marker, ending, repeat }: {
    readonly has: Has;
    readonly marker: unknown;
    readonly ending: unknown;
    readonly repeat: unknown;
  },
): string {
  const whole = [
    ...(repeat === undefined ? [] : [String(repeat)]),
    ...(has("detectable_format:title") ? [`${text} <<the road>>`] : [text]),
    ...(marker === undefined ? [] : [`${String(marker)} and so on.`]),
    ...(ending === undefined ? [] : [String(ending)]),
  ].join("\n");
  return has("startend:quotation") ? `"${whole}"` : whole;
}
