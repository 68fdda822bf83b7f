CREATE TYPE "job_kind" AS ENUM('attribute', 'import');--> statement-breakpoint
CREATE TYPE "job_status" AS ENUM('queued', 'running', 'completed', 'failed', 'cancelled');--> statement-breakpoint
CREATE TYPE "pair_source" AS ENUM('imported');--> statement-breakpoint
CREATE TYPE "rule" AS ENUM('attnlrp', 'cplrp', 'gradient');--> statement-breakpoint
CREATE TABLE "attributions" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "attributions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"token_pair_id" integer NOT NULL,
	"rule" "rule" NOT NULL,
	"model_id" integer NOT NULL,
	"benchmark" text NOT NULL,
	"target_logit" double precision NOT NULL,
	"contrast_logit" double precision NOT NULL,
	"logit_difference" double precision NOT NULL,
	"layers" integer NOT NULL,
	"token_count" integer NOT NULL,
	"relevance" bytea NOT NULL,
	"scales" double precision[] NOT NULL,
	"scales_with_special" double precision[] NOT NULL,
	"key_tokens" text[] NOT NULL,
	"adapter" text NOT NULL,
	"seconds" double precision NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "attributions_pair_rule" UNIQUE("token_pair_id","rule")
);
--> statement-breakpoint
CREATE TABLE "failure_cases" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "failure_cases_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"model_id" integer NOT NULL,
	"key" text NOT NULL,
	"benchmark" text NOT NULL,
	"task" text NOT NULL,
	"messages" jsonb NOT NULL,
	"prompt" text NOT NULL,
	"prefix" text NOT NULL,
	"completion" text NOT NULL,
	"completion_ids" integer[] NOT NULL,
	"instruction_phrases" text[] NOT NULL,
	"metadata" jsonb NOT NULL,
	"input_ids" integer[] NOT NULL,
	"token_texts" text[] NOT NULL,
	"segments" text NOT NULL,
	"token_count" integer NOT NULL,
	"prompt_tokens" integer NOT NULL,
	"delta" double precision,
	"content_hash" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "failure_cases_model_key" UNIQUE("model_id","key"),
	CONSTRAINT "failure_cases_prompt_tokens" CHECK ("prompt_tokens" between 1 and "token_count")
);
--> statement-breakpoint
CREATE TABLE "job_tasks" (
	"job_id" uuid,
	"token_pair_id" integer,
	"attribution_id" integer,
	"error" text,
	CONSTRAINT "job_tasks_key" PRIMARY KEY("job_id","token_pair_id")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	"kind" "job_kind" NOT NULL,
	"status" "job_status" DEFAULT 'queued'::"job_status" NOT NULL,
	"idempotency_key" text UNIQUE,
	"input" jsonb NOT NULL,
	"done" integer DEFAULT 0 NOT NULL,
	"total" integer DEFAULT 0 NOT NULL,
	"message" text,
	"error_code" text,
	"error_message" text,
	"sequence" integer DEFAULT 1 NOT NULL,
	"report" jsonb,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp(3) with time zone,
	"finished_at" timestamp(3) with time zone
);
--> statement-breakpoint
CREATE TABLE "models" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "models_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"name" text NOT NULL UNIQUE,
	"directory" text NOT NULL,
	"architecture" text NOT NULL,
	"parameters" bigint NOT NULL,
	"layers" integer NOT NULL,
	"hidden" integer NOT NULL,
	"vocabulary" integer NOT NULL,
	"tokenizer_hash" text NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "token_pairs" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "token_pairs_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"failure_case_id" integer NOT NULL,
	"target_id" integer NOT NULL,
	"target_text" text NOT NULL,
	"target_logit" double precision NOT NULL,
	"contrast_id" integer NOT NULL,
	"contrast_text" text NOT NULL,
	"contrast_logit" double precision NOT NULL,
	"contrast_rank" integer NOT NULL,
	"delta" double precision NOT NULL,
	"source" "pair_source" NOT NULL,
	"candidates" jsonb NOT NULL,
	"content_hash" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "token_pairs_case_tokens" UNIQUE("failure_case_id","target_id","contrast_id"),
	CONSTRAINT "token_pairs_differ" CHECK ("target_id" <> "contrast_id")
);
--> statement-breakpoint
CREATE INDEX "attributions_created" ON "attributions" ("created_at","id");--> statement-breakpoint
CREATE INDEX "attributions_delta" ON "attributions" ("logit_difference","id");--> statement-breakpoint
CREATE INDEX "attributions_tokens" ON "attributions" ("token_count","id");--> statement-breakpoint
CREATE INDEX "attributions_rule" ON "attributions" ("rule","created_at","id");--> statement-breakpoint
CREATE INDEX "attributions_benchmark" ON "attributions" ("benchmark","created_at","id");--> statement-breakpoint
CREATE INDEX "attributions_model" ON "attributions" ("model_id","created_at","id");--> statement-breakpoint
CREATE INDEX "attributions_key_tokens" ON "attributions" USING gin ("key_tokens");--> statement-breakpoint
CREATE INDEX "failure_cases_created" ON "failure_cases" ("created_at","id");--> statement-breakpoint
CREATE INDEX "failure_cases_key" ON "failure_cases" ("key","id");--> statement-breakpoint
CREATE INDEX "failure_cases_delta" ON "failure_cases" ("delta","id");--> statement-breakpoint
CREATE INDEX "failure_cases_tokens" ON "failure_cases" ("token_count","id");--> statement-breakpoint
CREATE INDEX "failure_cases_benchmark" ON "failure_cases" ("benchmark","created_at","id");--> statement-breakpoint
CREATE INDEX "failure_cases_task" ON "failure_cases" ("benchmark","task","id");--> statement-breakpoint
CREATE INDEX "failure_cases_model" ON "failure_cases" ("model_id","created_at","id");--> statement-breakpoint
CREATE INDEX "job_tasks_by_attribution" ON "job_tasks" ("attribution_id");--> statement-breakpoint
CREATE INDEX "jobs_created" ON "jobs" ("created_at","id");--> statement-breakpoint
CREATE INDEX "jobs_status" ON "jobs" ("status","created_at","id");--> statement-breakpoint
CREATE INDEX "jobs_kind" ON "jobs" ("kind","created_at","id");--> statement-breakpoint
CREATE INDEX "models_created" ON "models" ("created_at","id");--> statement-breakpoint
CREATE INDEX "token_pairs_delta" ON "token_pairs" ("delta","id");--> statement-breakpoint
ALTER TABLE "attributions" ADD CONSTRAINT "attributions_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "attributions" ADD CONSTRAINT "attributions_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");--> statement-breakpoint
ALTER TABLE "failure_cases" ADD CONSTRAINT "failure_cases_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");--> statement-breakpoint
ALTER TABLE "job_tasks" ADD CONSTRAINT "job_tasks_job" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "job_tasks" ADD CONSTRAINT "job_tasks_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "job_tasks" ADD CONSTRAINT "job_tasks_attribution" FOREIGN KEY ("attribution_id") REFERENCES "attributions"("id");--> statement-breakpoint
ALTER TABLE "token_pairs" ADD CONSTRAINT "token_pairs_case" FOREIGN KEY ("failure_case_id") REFERENCES "failure_cases"("id");--> statement-breakpoint
-- Windows of vectors are read without reading the rest.
ALTER TABLE "attributions" ALTER COLUMN "relevance" SET STORAGE EXTERNAL;
