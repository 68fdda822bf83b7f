CREATE TYPE "stop" AS ENUM('eos', 'length');--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'generate';--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'explain';--> statement-breakpoint
ALTER TYPE "pair_source" ADD VALUE 'asked';--> statement-breakpoint
ALTER TYPE "response_source" ADD VALUE 'asked';--> statement-breakpoint
CREATE TABLE "generations" (
	"job_id" uuid PRIMARY KEY,
	"model_id" integer NOT NULL,
	"messages" jsonb,
	"prompt" text NOT NULL,
	"prefix" text NOT NULL,
	"prompt_ids" integer[] NOT NULL,
	"prefix_ids" integer[] NOT NULL,
	"text" text NOT NULL,
	"stop" "stop",
	"tokens" jsonb NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "generations" ADD CONSTRAINT "generations_job" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "generations" ADD CONSTRAINT "generations_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");