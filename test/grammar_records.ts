/** Records of every format that can be imported, as their grammars have them: right in shape, odd in what stands there. */
import fc from "fast-check";
import type { ImportFormat } from "../schema/tables/values.ts";

/** Any JSON value, small; texts that PostgreSQL and terminals don't take, and numbers that don't fit, are among them. */
export const oddJson = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    2 ** 31,
    -(2 ** 63),
    1e308,
    "",
    " ",
    "\0",
    "\ud800",
    "\u202e",
    "NaN",
    "[]",
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** A value, and now and then another one in its place. */
export function usually<Value>(value: fc.Arbitrary<Value>, weight = 15): fc.Arbitrary<unknown> {
  return fc.oneof({ arbitrary: value as fc.Arbitrary<unknown>, weight }, { arbitrary: oddJson, weight: 1 });
}

/** An object of these fields, each of which may be missing or odd. */
export function record(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Record<string, unknown>> {
  const all = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, usually(value)]));
  return fc.oneof(
    { arbitrary: fc.record(all), weight: 4 },
    { arbitrary: fc.record(all, { requiredKeys: [] }), weight: 1 },
  );
}

const words = fc.oneof(
  fc.lorem({ maxCount: 6 }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.constantFrom(
    "\\boxed{2}",
    "#### 5",
    "```python\ndef f(): pass\n```",
    "<|im_start|>user\nhi<|im_end|>\n",
    "{}",
    "[]",
  ),
);
const list = <Value>(one: fc.Arbitrary<Value>, most = 3) => fc.array(usually(one), { maxLength: most });
const number = fc.oneof(fc.integer({ min: -3, max: 300 }), fc.double({ noNaN: true, noDefaultInfinity: true }));
const truth = fc.boolean();
const message = record({
  role: fc.constantFrom("user", "assistant", "system", "tool", "HUMAN", "BOT"),
  content: words,
});
const messages = list(message);
const instructions = {
  instruction_id_list: list(
    fc.constantFrom("punctuation:no_comma", "keywords:existence", "length_constraints:number_words"),
  ),
  kwargs: list(
    record({ keywords: list(words), num_words: number, relation: fc.constantFrom("at least", "less than") }),
  ),
};
const key = fc.constantFrom("fuzzed", "a/b", "");

const lmEval = record({
  doc_id: fc.nat(9),
  doc: record({ prompt: words, question: words, answer: words, key: number, ...instructions }),
  target: usually(words),
  arguments: fc.oneof(
    list(fc.tuple(words, record({ until: list(words) }))),
    record({ gen_args_0: record({ arg_0: words, arg_1: record({}) }) }),
  ),
  resps: list(list(words)),
  filtered_resps: list(words),
  filter: fc.constantFrom("none", "strict-match"),
  exact_match: number,
  prompt_level_strict_acc: truth,
  inst_level_strict_acc: list(truth),
  doc_hash: words,
});

const inspect = record({
  version: number,
  eval: record({ task: words, model: words, created: words }),
  samples: list(record({
    id: fc.oneof(words, number),
    epoch: number,
    input: fc.oneof(words, messages),
    target: fc.oneof(words, list(words)),
    messages,
    output: record({ choices: list(record({ message })), completion: words, error: words }),
    scores: fc.dictionary(words, record({ value: fc.oneof(words, number, truth), answer: words, explanation: words }), {
      maxKeys: 2,
    }),
    metadata: record(instructions),
    events: list(record({ event: words, data: oddJson })),
  })),
});

const trace = record({
  metadata: record({ uuid: words, model: words, benchmark: words }),
  prompt: words,
  completion: words,
  completion_before_err: words,
  contrast_token: fc.oneof(words, fc.nat(3000)),
  topk_token_explore: list(record({
    rank: number,
    token_str: words,
    token_id: fc.nat(3000),
    logit: number,
    eval_result: fc.oneof(truth, record({ passed: truth })),
  })),
  l_instruction_phases: list(words),
});

const gaia2 = fc.oneof(
  record({
    scenario_id: words,
    run_number: number,
    world_logs: list(fc.oneof(
      words,
      fc.json({ maxDepth: 2 }),
      record({ type: words, content: words, timestamp: number }).map((one) => JSON.stringify(one)),
    )),
    metadata: record({ definition: record({ scenario_id: words }), execution: record({ has_exception: truth }) }),
  }),
  record({
    per_agent_interaction_histories: fc.dictionary(words, messages, { maxKeys: 2 }),
    validation_decision: words,
    model_id: words,
  }),
  record({ scenario_id: words, data: fc.json({ maxDepth: 3 }) }),
  record({
    seq: number,
    request: record({ model: words, messages, tools: list(oddJson) }),
    response: record({ content: words }),
  }),
);

const openCompass = fc.oneof(
  fc.dictionary(
    fc.constantFrom("0", "1", "x"),
    record({
      origin_prompt: fc.oneof(words, list(record({ role: fc.constantFrom("HUMAN", "BOT"), prompt: words }))),
      prediction: words,
      gold: fc.oneof(words, list(words)),
    }),
    { maxKeys: 3 },
  ),
  record({
    accuracy: number,
    details: fc.dictionary(words, record({ pred: words, answer: words, correct: truth }), { maxKeys: 3 }),
  }),
);

const helm = record({
  adapter_spec: record({ model: words, method: words }),
  request_states: list(record({
    instance: record({
      id: words,
      input: record({ text: words }),
      references: list(record({ output: record({ text: words }), tags: list(words) })),
    }),
    request: record({ model: words, prompt: words, messages }),
    result: record({ success: truth, completions: list(record({ text: words })) }),
    train_trial_index: number,
  })),
});

const lighteval = fc.oneof(
  record({
    doc: record({ query: words, id: words, choices: list(words), gold_index: number, task_name: words }),
    model_response: record({ input: fc.oneof(words, messages), text: list(words), output_tokens: list(list(number)) }),
    metric: fc.dictionary(words, number, { maxKeys: 2 }),
  }),
  record({
    example: words,
    full_prompt: words,
    predictions: fc.constantFrom("['two']", "[]", "['a', \"b\"", "[array([1])]", "[('a', [1])]"),
    metrics: fc.constantFrom("{'acc': 0.0}", "{'acc': nan}", "{", "{'a': {'b': True}}"),
    gold: words,
    choices: words,
  }),
);

const name = fc.constantFrom("a", "b/1", "\n");
const prompt = fc.constantFrom("Say a", "\ud83d\ude00");
const culprit = record({
  format: fc.constant("culprit/1"),
  key: name,
  benchmark: name,
  task: name,
  model: name,
  messages: fc.constant([{ role: "user", content: "Say a" }]),
  prompt,
  prefix: words,
  inputIds: fc.array(fc.nat(3000), { minLength: 1, maxLength: 6 }),
  promptTokens: fc.integer({ min: 1, max: 5 }),
  completion: words,
  completionIds: fc.array(fc.nat(3000), { maxLength: 6 }),
  target: fc.record({ id: fc.nat(9), text: prompt, logit: number }),
  contrast: fc.record({ id: fc.nat(9), text: prompt, logit: number, rank: fc.nat(9) }),
  delta: number,
  instructionPhrases: fc.constantFrom([], ["a"]),
  candidates: fc.array(fc.record({ rank: fc.nat(9), id: fc.nat(9), text: prompt, logit: number }), { maxLength: 2 }),
  item: fc.oneof(
    fc.constant(null),
    record({ kind: fc.constantFrom("ifeval", "math", "humaneval"), ...instructions, answer: words }),
  ),
  metadata: fc.dictionary(words, oddJson, { maxKeys: 2 }),
});

/** By format; what is read is one record. */
export const RECORDS: Readonly<Record<ImportFormat, fc.Arbitrary<unknown>>> = {
  "lm-eval": lmEval,
  "ifeval": record({
    key: number,
    prompt: words,
    response: words,
    follow_all_instructions: truth,
    follow_instruction_list: list(truth),
    ...instructions,
  }),
  "evalplus": fc.oneof(
    record({
      task_id: fc.constantFrom("HumanEval/0", "Mbpp/2", "x"),
      solution: words,
      completion: words,
      _identifier: words,
    }),
    record({
      hash: words,
      eval: fc.dictionary(
        words,
        list(record({ task_id: words, solution: words, base_status: words, plus_status: words })),
      ),
    }),
  ),
  "math": record({
    problem: words,
    solution: words,
    answer: words,
    prediction: fc.oneof(words, list(words)),
    completion: words,
    level: words,
    correct: truth,
  }),
  "gaia2": gaia2,
  "inspect": inspect,
  "leaderboard": lighteval,
  "lighteval": lighteval,
  "opencompass": openCompass,
  "helm": helm,
  "columns": record({
    prompt: fc.oneof(words, messages),
    answer: words,
    passed: fc.oneof(truth, number, words),
    id: words,
    model: words,
  }),
  "debug-xai": trace,
  "culprit": culprit,
  "annotations": record({
    key,
    decision: fc.constantFrom("pair", "exclude", "x"),
    position: number,
    contrast: record({ id: fc.nat(3000), text: words }),
    reason: words,
    annotator: words,
  }),
  "labels": record({
    key,
    outcome: fc.constantFrom("M-IA", "NC-IA+AG", "x"),
    pattern: fc.constantFrom("URT+OIT", null, "x"),
    note: words,
    reader: words,
    contrast: words,
  }),
};
