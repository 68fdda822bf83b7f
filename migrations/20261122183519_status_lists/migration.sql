DROP INDEX "failure_cases_status";--> statement-breakpoint
CREATE INDEX "failure_cases_status" ON "failure_cases" ("status","created_at","id");--> statement-breakpoint
DROP INDEX "responses_benchmark";--> statement-breakpoint
CREATE INDEX "responses_benchmark" ON "responses" ("benchmark","created_at","id");--> statement-breakpoint
CREATE INDEX "failure_cases_exclusion" ON "failure_cases" ("exclusion","created_at","id");--> statement-breakpoint
CREATE INDEX "responses_verdict" ON "responses" ("benchmark","passed","created_at","id");