ALTER TYPE "benchmark_kind" ADD VALUE 'gsm8k';--> statement-breakpoint
ALTER TYPE "benchmark_kind" ADD VALUE 'evalplus';--> statement-breakpoint
ALTER TABLE "responses" ADD COLUMN "disagrees" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "responses" ADD COLUMN "prompt_template" text;--> statement-breakpoint
CREATE INDEX "responses_disagreement" ON "responses" ("created_at","id") WHERE "disagrees";