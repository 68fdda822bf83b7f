CREATE TABLE "attribution_token_changes" (
	"sign" smallint NOT NULL,
	"tokens" text[] NOT NULL,
	"rule" "rule" NOT NULL,
	"benchmark" text NOT NULL,
	"model_id" integer NOT NULL,
	"outcome" "outcome",
	"pattern" "pattern",
	"logit_difference" double precision NOT NULL,
	"instruction_sum" double precision,
	"query_sum" double precision,
	"answer_sum" double precision,
	"special_sum" double precision
);
--> statement-breakpoint
CREATE TABLE "attribution_token_counts" (
	"scope" text,
	"dimension" text,
	"value" text,
	"token" text,
	"attributions" integer NOT NULL,
	CONSTRAINT "attribution_token_counts_pkey" PRIMARY KEY("scope","dimension","value","token")
);
--> statement-breakpoint
CREATE INDEX "attribution_token_counts_largest" ON "attribution_token_counts" ("scope","dimension","attributions" DESC,"token","value");--> statement-breakpoint
CREATE INDEX "attribution_token_counts_none" ON "attribution_token_counts" ("attributions") WHERE attributions = 0;
--> statement-breakpoint
-- Counts by token are kept (schema/attribution_token_counts.ts): changes of attributions are noted by triggers, and
-- folded into the counts every 500 notes.
--
-- Folds what changed since the last time into the counts of key tokens. One at a time, by whoever comes first once
-- enough has gathered: writers never wait for each other here.
CREATE FUNCTION "fold_attribution_token_changes"() RETURNS void LANGUAGE plpgsql SET work_mem = '64MB' AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(1131754097) THEN RETURN; END IF;
  WITH taken AS (
    DELETE FROM attribution_token_changes RETURNING *
  ), words AS (
    SELECT sign, left(unnest(tokens), 200) AS token, rule::text AS rule, benchmark, model_id::text AS model,
      coalesce(outcome::text, '') AS outcome, coalesce(pattern::text, '') AS pattern,
      width_bucket(logit_difference, array[0, 1, 2, 4, 8, 16]::float8[])::text AS delta,
      coalesce(width_bucket(instruction_sum, array[-2, -1, -0.5, 0, 0.5, 1, 2]::float8[])::text, '') AS instruction,
      coalesce(width_bucket(query_sum, array[-2, -1, -0.5, 0, 0.5, 1, 2]::float8[])::text, '') AS query,
      coalesce(width_bucket(answer_sum, array[-2, -1, -0.5, 0, 0.5, 1, 2]::float8[])::text, '') AS answer,
      coalesce(width_bucket(special_sum, array[-2, -1, -0.5, 0, 0.5, 1, 2]::float8[])::text, '') AS special
    FROM taken
  ), of_rule AS (
    SELECT token, rule,
      CASE WHEN pattern IS NOT NULL THEN 'pattern' WHEN outcome IS NOT NULL THEN 'outcome'
        WHEN benchmark IS NOT NULL THEN 'benchmark' WHEN model IS NOT NULL THEN 'model'
        WHEN delta IS NOT NULL THEN 'delta' WHEN instruction IS NOT NULL THEN 'instruction'
        WHEN query IS NOT NULL THEN 'query' WHEN answer IS NOT NULL THEN 'answer'
        WHEN special IS NOT NULL THEN 'special' ELSE 'token' END AS dimension,
      coalesce(pattern, outcome, benchmark, model, delta, instruction, query, answer, special, '') AS value,
      sum(sign) AS change
    FROM words
    GROUP BY GROUPING SETS ((token, rule), (token, rule, pattern), (token, rule, outcome), (token, rule, benchmark),
      (token, rule, model), (token, rule, delta), (token, rule, instruction), (token, rule, query),
      (token, rule, answer), (token, rule, special))
  ), cells AS (
    SELECT 'all' AS scope, dimension, value, token, sum(change) AS change FROM of_rule GROUP BY dimension, value, token
    UNION ALL
    SELECT 'all', 'rule', rule, token, change FROM of_rule WHERE dimension = 'token'
    UNION ALL
    SELECT rule, dimension, value, token, change FROM of_rule
  )
  INSERT INTO attribution_token_counts AS counts (scope, dimension, value, token, attributions)
    SELECT scope, dimension, value, token, change FROM cells WHERE change <> 0
    ON CONFLICT (scope, dimension, value, token) DO UPDATE SET attributions = counts.attributions + excluded.attributions;
  DELETE FROM attribution_token_counts WHERE attributions = 0;
END $$;
--> statement-breakpoint
CREATE FUNCTION "note_attribution_tokens"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- A backup brings the counts with it.
  IF current_setting('culprit.restoring', true) = 'on' THEN RETURN NULL; END IF;
  IF TG_OP = 'TRUNCATE' THEN
    TRUNCATE attribution_token_changes, attribution_token_counts;
    RETURN NULL;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO attribution_token_changes
      SELECT change.* FROM old_rows o JOIN new_rows n ON n.id = o.id
      CROSS JOIN LATERAL (VALUES
        (-1, o.key_tokens, o.rule, o.benchmark, o.model_id, o.outcome, o.pattern, o.logit_difference,
          o.instruction_sum, o.query_sum, o.answer_sum, o.special_sum),
        (1, n.key_tokens, n.rule, n.benchmark, n.model_id, n.outcome, n.pattern, n.logit_difference,
          n.instruction_sum, n.query_sum, n.answer_sum, n.special_sum)) AS change
      WHERE (o.key_tokens, o.rule, o.benchmark, o.model_id, o.outcome, o.pattern, o.logit_difference,
          o.instruction_sum, o.query_sum, o.answer_sum, o.special_sum)
        IS DISTINCT FROM (n.key_tokens, n.rule, n.benchmark, n.model_id, n.outcome, n.pattern, n.logit_difference,
          n.instruction_sum, n.query_sum, n.answer_sum, n.special_sum);
  ELSE
    INSERT INTO attribution_token_changes
      SELECT CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END, key_tokens, rule, benchmark, model_id, outcome, pattern,
        logit_difference, instruction_sum, query_sum, answer_sum, special_sum FROM changed_rows;
  END IF;
  IF (SELECT count(*) FROM (SELECT FROM attribution_token_changes LIMIT 500) AS gathered) = 500 THEN
    PERFORM fold_attribution_token_changes();
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "attributions_tokens_inserted" AFTER INSERT ON "attributions"
  REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION note_attribution_tokens();
--> statement-breakpoint
CREATE TRIGGER "attributions_tokens_updated" AFTER UPDATE ON "attributions"
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_attribution_tokens();
--> statement-breakpoint
CREATE TRIGGER "attributions_tokens_deleted" AFTER DELETE ON "attributions"
  REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION note_attribution_tokens();
--> statement-breakpoint
CREATE TRIGGER "attributions_tokens_truncated" AFTER TRUNCATE ON "attributions"
  FOR EACH STATEMENT EXECUTE FUNCTION note_attribution_tokens();
--> statement-breakpoint
INSERT INTO attribution_token_changes
  SELECT 1, key_tokens, rule, benchmark, model_id, outcome, pattern, logit_difference, instruction_sum, query_sum,
    answer_sum, special_sum FROM attributions;
--> statement-breakpoint
SELECT fold_attribution_token_changes();
