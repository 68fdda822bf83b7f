CREATE TYPE "mark_origin" AS ENUM('person', 'file', 'locator', 'causal');--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'mark';--> statement-breakpoint
CREATE TABLE "causal_marks" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "causal_marks_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"token_pair_id" integer NOT NULL UNIQUE,
	"version" text NOT NULL,
	"sentences" jsonb NOT NULL,
	"right_tokens" integer NOT NULL,
	"wrong_tokens" integer NOT NULL,
	"adapter" text NOT NULL,
	"engine" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "diagnoses" ADD COLUMN "marks_origin" "mark_origin";--> statement-breakpoint
ALTER TABLE "diagnoses" ADD COLUMN "marks_version" text;--> statement-breakpoint
ALTER TABLE "preferences" ADD COLUMN "marks_origin" "mark_origin";--> statement-breakpoint
ALTER TABLE "preferences" ADD COLUMN "marks_version" text;--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "marks_origin" "mark_origin";--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "phrase_instructions" integer[];--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "marks_origin" "mark_origin";--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "marks_version" text;--> statement-breakpoint
ALTER TABLE "causal_marks" ADD CONSTRAINT "causal_marks_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
UPDATE "failure_cases" SET "marks_origin" = 'file' WHERE cardinality("instruction_phrases") > 0;--> statement-breakpoint
UPDATE "attributions" SET "marks_origin" = 'file' FROM "token_pairs" INNER JOIN "failure_cases"
  ON "failure_cases"."id" = "token_pairs"."failure_case_id"
  WHERE "token_pairs"."id" = "attributions"."token_pair_id" AND "failure_cases"."marks_origin" IS NOT NULL;
