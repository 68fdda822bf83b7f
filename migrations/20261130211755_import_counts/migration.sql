CREATE TABLE "import_counts" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "import_counts_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"job_id" uuid NOT NULL,
	"response_ids" integer[] NOT NULL,
	"verdicts" integer[] NOT NULL
);
--> statement-breakpoint
CREATE INDEX "import_counts_job" ON "import_counts" ("job_id","id");--> statement-breakpoint
ALTER TABLE "import_counts" ADD CONSTRAINT "import_counts_job" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE;