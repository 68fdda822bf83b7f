/** What a model that thinks aloud answers: thinking is no part of the answer that a checker judges. */

/**
 * The text behind the last `</think>`, without white space before it; a response may begin within the thinking that its
 * prompt opened. Thinking that was never closed is left as it is: what a harness would judge then.
 */
export function withoutThinking(response: string): string {
  const end = response.lastIndexOf("</think>");
  return end < 0 ? response : response.slice(end + "</think>".length).trimStart();
}
