CREATE TABLE "pair_searches" (
	"failure_case_id" integer PRIMARY KEY,
	"settings_hash" text NOT NULL,
	"sibling_hash" text,
	"state" jsonb NOT NULL,
	"updated_at" timestamp(3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "pair_searches" ADD CONSTRAINT "pair_searches_case" FOREIGN KEY ("failure_case_id") REFERENCES "failure_cases"("id") ON DELETE CASCADE;