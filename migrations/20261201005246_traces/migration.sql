ALTER TYPE "job_kind" ADD VALUE 'trace';--> statement-breakpoint
CREATE TABLE "traces" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "traces_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"token_pair_id" integer NOT NULL,
	"model_id" integer NOT NULL,
	"rule" "rule" NOT NULL,
	"settings" jsonb NOT NULL,
	"settings_hash" text NOT NULL,
	"prompt_tokens" integer NOT NULL,
	"token_count" integer NOT NULL,
	"sentences" jsonb NOT NULL,
	"steps" jsonb NOT NULL,
	"error" jsonb NOT NULL,
	"heat" bytea NOT NULL,
	"signed_heat" bytea NOT NULL,
	"relevance" bytea NOT NULL,
	"reach" jsonb,
	"adapter" text NOT NULL,
	"engine" text,
	"adapter_checked" boolean,
	"seconds" double precision NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "traces_pair" UNIQUE("token_pair_id","model_id","rule","settings_hash")
);
--> statement-breakpoint
ALTER TABLE "traces" ADD CONSTRAINT "traces_token_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "traces" ADD CONSTRAINT "traces_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");--> statement-breakpoint
-- Windows of these vectors are read without the rest; see traces.relevance.
ALTER TABLE "traces" ALTER COLUMN "relevance" SET STORAGE EXTERNAL;--> statement-breakpoint
ALTER TABLE "traces" ALTER COLUMN "heat" SET STORAGE EXTERNAL;--> statement-breakpoint
ALTER TABLE "traces" ALTER COLUMN "signed_heat" SET STORAGE EXTERNAL;
