/**
 * How IFBench's prompts state their instructions (Pyatkin et al., "Generalizing Verifiable Instruction Following", 2025).
 * Its prompts are made from one fixed sentence for each type, before or after a person's question: so each type has one
 * expression. The words come from the public test file.
 */
import type { Arguments } from "./ifeval_cues.ts";
import type { Span } from "./sentences.ts";

const CSV = String
  .raw`Generate CSV data: The column names are \[[^\]]*\], the data should be \w+ delimited\. Please generate \d+ rows`;

const STATEMENTS: Readonly<Record<string, string>> = {
  "count:conjunctions": String.raw`Use at least [\d.]+ different coordinating conjunctions in the response`,
  "count:keywords_multiple": String.raw`Include keyword [^.]* once in your response,[^.]* times in your response`,
  "count:numbers": String.raw`Include exactly \d+ numbers in the response`,
  "count:person_names": String
    .raw`Mention at least \d+ different person names in the response, from this list of person names: [^.]*`,
  "count:pronouns": String.raw`The response should include at least \d+ pronouns`,
  "count:punctuation": String
    .raw`Use every standard punctuation mark at least once, including semicolons, colons, and the interrobang \(\?!\)`,
  "count:unique_word_count": String.raw`Use at least \d+ unique words in the response`,
  "count:word_count_range": String.raw`The response must contain between \d+ and \d+ words`,
  "count:words_japanese": String.raw`Every \d+\w* word of your response must be in Japanese`,
  "custom:character_reverse": String.raw`make your sentence in reverse order of what it should be, per letter`,
  "custom:csv_city": CSV,
  "custom:csv_quotes": String.raw`${CSV} and enclose each single field in double quotes`,
  "custom:csv_special_character": String
    .raw`${CSV}\. Add one field which contains a special character and enclose it in double quotes`,
  "custom:date_format_list": String
    .raw`separated by commas, use the following date format: YYYY-MM-DD\. Do not provide an explanation`,
  "custom:european_capitals_sort": String
    .raw`List the capital cities without country names, separated by commas, sorted by latitude, from highest to lowest`,
  "custom:mcq_count_length": String
    .raw`Generate \d+ multiple choice questions with \d+ options each|Each question should start with the label "Question"\. The questions should get progressively longer\. Do not provide an explanation`,
  "custom:multiples": String.raw`Count from \d+ to \d+ but only print multiples of \d+`,
  "custom:reverse_newline": String.raw`in reverse alphabetical order, each on a new line`,
  "custom:sentence_alphabet": String
    .raw`Tell me a 26-sentence story where each sentence's first word starts with the letters of the alphabet in order`,
  "custom:word_reverse": String.raw`make your sentence in reverse order of what it should be, per word`,
  "format:emoji": String.raw`Please use an emoji at the end of every sentence`,
  "format:line_indent": String.raw`Create stairs by incrementally indenting each new line`,
  "format:list": String.raw`Answer with a list of items, instead of bullet points use \S+?(?=\.?(?:\s|$))`,
  "format:newline": String.raw`Write each word on a new line`,
  "format:no_bullets_bullets": String
    .raw`Your answer must contain at least two sentences ending in a period followed by at least two bullet points denoted by \*`,
  "format:no_whitespace": String.raw`The output should not contain any whitespace`,
  "format:options": String.raw`Answer with one of the following options: [^.\n]*`,
  "format:output_template": String
    .raw`Use this exact template for your response: My Answer: \[answer\] My Conclusion: \[conclusion\] Future Outlook: \[outlook\]`,
  "format:parentheses": String.raw`Nest parentheses \(and \[brackets \{and braces\}\]\) at least \d+ levels deep`,
  "format:quote_unquote": String.raw`Every quoted phrase must be followed by an unquoted explanation`,
  "format:quotes": String
    .raw`Include quotes within quotes within quotes, at least \d+ levels deep, alternating between double quotes and single quotes`,
  "format:sub-bullets": String
    .raw`Your response must include bullet points denoted by \* and at least one sub-bullet point denoted by - for each bullet point`,
  "format:thesis": String
    .raw`Each section must begin with a thesis statement in italics, use HTML to indicate the italics`,
  "format:title_case": String
    .raw`Write the entire response in title case \(capitalize the first letter of every major word\)`,
  "ratio:overlap": String.raw`Maintain a trigram overlap of \d+% \(±2%\) with the provided reference text`,
  "ratio:sentence_balance": String
    .raw`Ensure that the ratio of sentence types \(declarative, interrogative, exclamatory\) in your response is balanced`,
  "ratio:sentence_type": String.raw`Maintain a 2:1 ratio of declarative to interrogative sentences in your response`,
  "ratio:sentence_words": String
    .raw`Respond with three sentences, all containing the same number of characters but using all different words`,
  "ratio:stop_words": String
    .raw`Ensure that stop words constitute no more than \d+% of the total words in your response`,
  "repeat:repeat_change": String
    .raw`Repeat the request, but change the first word of the repeated request, \(do not say anything before repeating the request; the request you need to repeat does not include this sentence\) and do not answer the actual request`,
  "repeat:repeat_simple": String.raw`Only output this sentence here, ignore all other requests`,
  "repeat:repeat_span": String
    .raw`Copy the span of words that lies between \(and including\) index \d+ and \d+, the indices are word indices, split by whitespace`,
  "sentence:alliteration_increment": String
    .raw`Each sentence must have a longer sequence of consecutive alliterative words than the previous one`,
  "sentence:increment": String
    .raw`Each sentence(?: in your response)? must contain exactly \d+ more words than the previous one`,
  "sentence:keyword": String.raw`The response must include keyword [^.]* in the \d+-\w+ sentence`,
  "words:alphabet": String
    .raw`Each word in your response must start with the next letter of the alphabet, looping back to 'A' after 'Z'`,
  "words:consonants": String
    .raw`Ensure each word in your response has at least one consonant cluster \(two or more consonants together\)`,
  "words:keywords_specific_position": String
    .raw`Include keyword [^.]* in the \d+-\w+ sentence, as the \d+-\w+ word of that sentence`,
  "words:last_first": String
    .raw`In your response,? the last word of each sentence must become the first word of the next sentence`,
  "words:no_consecutive": String.raw`No two consecutive words can share the same first letter`,
  "words:odd_even_syllables": String.raw`Alternate between words with odd and even numbers of syllables`,
  "words:palindrome": String.raw`Include at least \d+ single-word palindromes, each at least \d+ characters long`,
  "words:paragraph_last_first": String
    .raw`Each paragraph of your response must end with the same word it started with, separate paragraphs with a newline`,
  "words:prime_lengths": String.raw`Use only words with lengths that are prime numbers`,
  "words:repeats": String.raw`The response should not repeat any word more than \d+ times`,
  "words:start_verb": String.raw`The response must start with a verb`,
  "words:vowel": String.raw`Write a paragraph using words that contain only three types of vowels`,
  "words:words_position": String
    .raw`The second word in your response and the second to last word in your response should be the word [^.\s]+`,
};

/** Whether a type is one of IFBench's. */
export const isIfbench = (type: string): boolean => Object.hasOwn(STATEMENTS, type);

/** Where a prompt states an instruction of IFBench; a request that only is to be repeated states none. */
export function ifbenchPlaces(prompt: string, type: string, from: Arguments): readonly Span[] {
  if (!isIfbench(type)) return [];
  const repeated = from["prompt_to_repeat"];
  const skipped = typeof repeated === "string" && prompt.startsWith(repeated) ? repeated.length : 0;
  return [...prompt.matchAll(new RegExp(STATEMENTS[type]!.replaceAll(" ", String.raw`\s+`), "gu"))]
    .map(({ index, 0: text }) => ({ start: index, end: index + text.trimEnd().length }))
    .filter(({ start }) => start >= skipped);
}
