ALTER TABLE "failure_cases" ADD COLUMN "delta_down" double precision GENERATED ALWAYS AS (coalesce(delta, -1e300)) STORED;--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "delta_up" double precision GENERATED ALWAYS AS (coalesce(delta, 1e300)) STORED;--> statement-breakpoint
CREATE INDEX "attributions_diagnosed" ON "attributions" ("token_pair_id","outcome","pattern");--> statement-breakpoint
CREATE INDEX "failure_cases_delta_down" ON "failure_cases" ("delta_down","id");--> statement-breakpoint
CREATE INDEX "failure_cases_delta_up" ON "failure_cases" ("delta_up","id");--> statement-breakpoint
CREATE INDEX "token_pairs_case" ON "token_pairs" ("id","failure_case_id");