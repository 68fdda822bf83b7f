ALTER TABLE "generations" ADD COLUMN "thought" jsonb;--> statement-breakpoint
ALTER TABLE "responses" ADD COLUMN "thought" jsonb;