CREATE TABLE "audit_entries" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_entries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"client" text NOT NULL,
	"field" text NOT NULL,
	"input" jsonb NOT NULL,
	"outcome" text NOT NULL,
	"milliseconds" integer NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "attribution_graphs" ADD COLUMN "engine" text;--> statement-breakpoint
ALTER TABLE "diagnoses" ADD COLUMN "engine" text;--> statement-breakpoint
ALTER TABLE "masking_experiments" ADD COLUMN "engine" text;--> statement-breakpoint
ALTER TABLE "preferences" ADD COLUMN "engine" text;--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "engine" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "trace" text;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "dtype" text;--> statement-breakpoint
CREATE INDEX "audit_entries_created" ON "audit_entries" ("created_at","id");