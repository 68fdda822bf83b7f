ALTER TABLE "failure_cases" ADD COLUMN "pair_tokens" text DEFAULT '' NOT NULL;--> statement-breakpoint
DROP INDEX "failure_cases_text";--> statement-breakpoint
-- The search of cases looks at the tokens of their pairs too (searchText in schema/tables/tables.ts). Pairs are added and
-- never change; an importer that knows the pair writes the column with the case, and nothing is written twice.
CREATE FUNCTION "note_pair_tokens"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('culprit.restoring', true) = 'on' THEN RETURN NULL; END IF;
  UPDATE failure_cases SET pair_tokens = noted.tokens
  FROM (
    SELECT failure_case_id, string_agg(target_text || chr(10) || contrast_text, chr(10) ORDER BY id) AS tokens
    FROM token_pairs WHERE failure_case_id IN (SELECT failure_case_id FROM added) GROUP BY failure_case_id
  ) AS noted
  WHERE failure_cases.id = noted.failure_case_id AND pair_tokens <> noted.tokens;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "token_pairs_noted" AFTER INSERT ON "token_pairs" REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION "note_pair_tokens"();
--> statement-breakpoint
UPDATE failure_cases SET pair_tokens = noted.tokens
FROM (
  SELECT failure_case_id, string_agg(target_text || chr(10) || contrast_text, chr(10) ORDER BY id) AS tokens
  FROM token_pairs GROUP BY failure_case_id
) AS noted
WHERE failure_cases.id = noted.failure_case_id;
--> statement-breakpoint
CREATE INDEX "failure_cases_text" ON "failure_cases" USING gin ((("key" || chr(10) || "prompt" || chr(10) || "completion" || chr(10) || "pair_tokens")) gin_trgm_ops);
