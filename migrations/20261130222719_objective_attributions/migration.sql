ALTER TYPE "job_kind" ADD VALUE 'explain_objective';--> statement-breakpoint
CREATE TABLE "objective_attributions" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "objective_attributions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"token_pair_id" integer NOT NULL,
	"model_id" integer NOT NULL,
	"rule" "rule" NOT NULL,
	"objective" jsonb NOT NULL,
	"objective_hash" text NOT NULL,
	"value" double precision NOT NULL,
	"terms" jsonb NOT NULL,
	"input_ids" integer[] NOT NULL,
	"token_texts" text[] NOT NULL,
	"relevance" double precision[] NOT NULL,
	"branches" jsonb NOT NULL,
	"adapter" text NOT NULL,
	"engine" text,
	"adapter_checked" boolean,
	"seconds" double precision NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "objective_attributions_pair" UNIQUE("token_pair_id","model_id","rule","objective_hash")
);
--> statement-breakpoint
ALTER TABLE "objective_attributions" ADD CONSTRAINT "objective_attributions_token_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "objective_attributions" ADD CONSTRAINT "objective_attributions_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");