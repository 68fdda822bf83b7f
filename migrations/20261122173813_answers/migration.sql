CREATE TYPE "answer_source" AS ENUM('imported', 'collected');--> statement-breakpoint
CREATE TYPE "benchmark_kind" AS ENUM('ifeval', 'math', 'humaneval', 'gaia2');--> statement-breakpoint
CREATE TYPE "case_status" AS ENUM('open', 'clean', 'excluded');--> statement-breakpoint
CREATE TYPE "decision" AS ENUM('pair', 'exclude');--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'collect';--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'find_pairs';--> statement-breakpoint
ALTER TYPE "pair_source" ADD VALUE 'search';--> statement-breakpoint
ALTER TYPE "pair_source" ADD VALUE 'sibling';--> statement-breakpoint
ALTER TYPE "pair_source" ADD VALUE 'annotation';--> statement-breakpoint
CREATE TABLE "annotations" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "annotations_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"failure_case_id" integer NOT NULL,
	"annotator" text NOT NULL,
	"decision" "decision" NOT NULL,
	"position" integer,
	"target_id" integer,
	"contrast_id" integer,
	"reason" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "annotations_case_annotator" UNIQUE("failure_case_id","annotator"),
	CONSTRAINT "annotations_decision" CHECK (("decision" = 'pair') = ("position" is not null and "target_id" is not null
      and "contrast_id" is not null))
);
--> statement-breakpoint
CREATE TABLE "benchmarks" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "benchmarks_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"name" text NOT NULL UNIQUE,
	"kind" "benchmark_kind" NOT NULL,
	"path" text NOT NULL,
	"items" integer NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "responses" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "responses_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"model_id" integer NOT NULL,
	"benchmark" text NOT NULL,
	"task" text NOT NULL,
	"key" text NOT NULL,
	"filter" text NOT NULL,
	"doc_hash" text NOT NULL,
	"prompt_hash" text NOT NULL,
	"prompt" text NOT NULL,
	"prompt_ids" integer[] NOT NULL,
	"completion" text NOT NULL,
	"completion_ids" integer[] NOT NULL,
	"passed" boolean,
	"verdict" jsonb,
	"item" jsonb,
	"source" "answer_source" NOT NULL,
	"content_hash" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "responses_model_key" UNIQUE("model_id","key")
);
--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "edited_segments" text;--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "status" "case_status";--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "exclusion" text;--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "exclusion_note" text;--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "reviewer" text;--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "source" "answer_source";--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "item" jsonb;--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "verdict" jsonb;--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "filter" text;--> statement-breakpoint
ALTER TABLE "failure_cases" ADD COLUMN "response_id" integer;--> statement-breakpoint
ALTER TABLE "token_pairs" ADD COLUMN "position" integer;--> statement-breakpoint
-- Every case that is stored so far came from a file, with its pair.
UPDATE "failure_cases" SET
  "source" = 'imported',
  "status" = CASE WHEN "delta" > 1 THEN 'clean'::"case_status" ELSE 'excluded'::"case_status" END,
  "exclusion" = CASE WHEN "delta" > 1 THEN NULL ELSE 'delta_too_small' END;--> statement-breakpoint
UPDATE "token_pairs" SET "position" = "failure_cases"."token_count"
  FROM "failure_cases" WHERE "failure_cases"."id" = "token_pairs"."failure_case_id";--> statement-breakpoint
ALTER TABLE "failure_cases" ALTER COLUMN "status" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "failure_cases" ALTER COLUMN "source" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "token_pairs" ALTER COLUMN "position" SET NOT NULL;--> statement-breakpoint
CREATE INDEX "failure_cases_response" ON "failure_cases" ("response_id");--> statement-breakpoint
CREATE INDEX "failure_cases_status" ON "failure_cases" ("status","exclusion","created_at","id");--> statement-breakpoint
CREATE INDEX "failure_cases_source" ON "failure_cases" ("source","created_at","id");--> statement-breakpoint
CREATE INDEX "failure_cases_counts" ON "failure_cases" ("benchmark","status","exclusion");--> statement-breakpoint
CREATE INDEX "responses_created" ON "responses" ("created_at","id");--> statement-breakpoint
CREATE INDEX "responses_benchmark" ON "responses" ("benchmark","passed","created_at","id");--> statement-breakpoint
CREATE INDEX "responses_task" ON "responses" ("benchmark","task","id");--> statement-breakpoint
ALTER TABLE "annotations" ADD CONSTRAINT "annotations_case" FOREIGN KEY ("failure_case_id") REFERENCES "failure_cases"("id");--> statement-breakpoint
ALTER TABLE "failure_cases" ADD CONSTRAINT "failure_cases_answer" FOREIGN KEY ("response_id") REFERENCES "responses"("id");--> statement-breakpoint
ALTER TABLE "responses" ADD CONSTRAINT "responses_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");--> statement-breakpoint
ALTER TABLE "failure_cases" ADD CONSTRAINT "failure_cases_exclusion" CHECK (("status" = 'excluded') = ("exclusion" is not null));