CREATE TABLE "workers" (
	"id" uuid PRIMARY KEY,
	"host" text NOT NULL,
	"pid" integer NOT NULL,
	"adapter" text NOT NULL,
	"memory_bytes" bigint,
	"models" text[] NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp(3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "owner" text DEFAULT 'local' NOT NULL;--> statement-breakpoint
CREATE INDEX "workers_seen" ON "workers" ("seen_at");