/** Many attributed cases, generated in the database: for plans and for the time that lists take. */
import type { Connection } from "../server/database/database.ts";

/** Tokens and node layers of each generated attribution: those of a demo case, whose relevance is stored in its row. */
const TOKENS = 54;
const LAYERS = 5;

/** What the generated rows hold, for queries about them. */
export const GENERATED = {
  benchmarks: ["ifeval", "gaia2", "math", "evalplus"],
  models: ["small", "middle", "large"],
  /** Words of key tokens: `word0` is the most frequent, as 1/rank. */
  words: 5000,
} as const;

/**
 * Stores `count` failure cases, each with a pair and an attribution under AttnLRP with outcome and pattern. Benchmarks,
 * outcomes and patterns come about as often as the paper reports them; delta, sums and words have long tails. The same
 * rows for the same count.
 */
export async function fillAttributions({ sql }: Connection, count: number): Promise<void> {
  const { benchmarks, models, words } = GENERATED;
  await sql.begin(async (tx) => {
    await tx`select setseed(0.5)`;
    await tx`insert into models (name, directory, architecture, parameters, layers, hidden, vocabulary, tokenizer_hash, hash)
      select name, '', 'qwen3', 1, ${LAYERS - 1}::int, 1, 1, '', name from unnest(${[...models]}::text[]) as name`;
    await tx`insert into failure_cases (model_id, key, benchmark, task, messages, prompt, prefix, completion,
        completion_ids, instruction_phrases, metadata, input_ids, token_texts, segments, token_count, prompt_tokens, delta,
        pair_tokens, status, source, content_hash, created_at)
      select m.id, 'generated/' || n, (${[...benchmarks]}::text[])[1 + n % ${benchmarks.length}::int], n::text, '[]',
        repeat('word ', 40) || 'about item' || n % ${words}::int, 'word', repeat('word ', 40), array_fill(7, array[40]), '{}', '{}',
        array_fill(7, array[${TOKENS}::int]), array_fill('word'::text, array[${TOKENS}::int]),
        'S' || repeat('I', 20) || repeat('Q', 23) || repeat('A', 10), ${TOKENS}, 44, exp(2 * random()),
        'wrong' || chr(10) || 'right', 'clean', 'imported', '', now() - n * interval '1 second'
      from generate_series(1, ${count}) n
      join (select id, row_number() over (order by id) - 1 as rank from models where name = any(${[...models]})) m
        on m.rank = n % ${models.length}::int`;
    await tx`insert into token_pairs (failure_case_id, position, target_id, target_text, target_logit, contrast_id,
        contrast_text, contrast_logit, contrast_rank, delta, source, candidates, content_hash)
      select id, ${TOKENS}, 1, 'wrong', delta, 2, 'right', 0, 1, delta, 'imported', '[]', ''
      from failure_cases where key like 'generated/%'`;
    await tx`insert into attributions (token_pair_id, rule, model_id, benchmark, target_logit, contrast_logit,
        logit_difference, layers, token_count, relevance, scales, scales_with_special, key_tokens, instruction_sum,
        query_sum, answer_sum, special_sum, outcome, pattern, adapter, seconds, created_at)
      select p.id, 'attnlrp', c.model_id, c.benchmark, p.delta, 0, p.delta, ${LAYERS - 1}::int, ${TOKENS},
        decode(repeat('00', ${4 * TOKENS * LAYERS}::int), 'hex'), array_fill(1.0::float8, array[${LAYERS}::int]),
        array_fill(1.0::float8, array[${LAYERS}::int]),
        (select array_agg('word' || floor(${words} ^ random())::int - 1) from generate_series(1, 12 + p.id * 0)),
        random_normal(-0.5), random_normal(0.5), random_normal(0.3), random_normal(), v.outcome,
        case when v.outcome = 'nc_ia_ag' then null when v.kind < 0.61 then 'urt' when v.kind < 0.68 then 'oit'
          when v.kind < 0.95 then 'urt_oit' end::pattern, 'generated', 0.1, c.created_at
      from token_pairs p join failure_cases c on c.id = p.failure_case_id
      cross join lateral (select random() as kind, case when random() + p.id * 0 < 0.78 then 'm_ia'
        when random() < 0.6 then 'nc_ia_m_ag' else 'nc_ia_ag' end::outcome as outcome) v
      where c.key like 'generated/%'`;
  });
  // What autovacuum does by itself some time after many rows were stored: counts can read the index alone. Rows that
  // a statement from before could still see are left for later, so it may take more than one round.
  for (let round = 0; round < 100; round++) {
    for (const table of ["attributions", "attribution_token_counts", "failure_cases", "token_pairs", "models"]) {
      await sql`vacuum (analyze) ${sql(table)}`;
    }
    const [table] = await sql<{ done: boolean }[]>`
      select relallvisible >= relpages as done from pg_class where oid = 'attributions'::regclass`;
    if (table!.done) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("The attributions could not be vacuumed");
}
