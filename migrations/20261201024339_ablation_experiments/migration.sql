ALTER TYPE "job_kind" ADD VALUE 'ablate';--> statement-breakpoint
CREATE TABLE "ablation_experiments" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "ablation_experiments_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"token_pair_id" integer NOT NULL,
	"model_id" integer NOT NULL,
	"unit" text NOT NULL,
	"ranking" text NOT NULL,
	"seed" integer NOT NULL,
	"counts" text NOT NULL,
	"flip_away" integer,
	"flip_to_contrast" integer,
	"curve" jsonb NOT NULL,
	"adapter" text NOT NULL,
	"engine" text,
	"adapter_checked" boolean,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ablation_experiments_settings" UNIQUE("token_pair_id","model_id","unit","ranking","seed","counts")
);
--> statement-breakpoint
CREATE INDEX "ablation_experiments_unit" ON "ablation_experiments" ("unit","counts");--> statement-breakpoint
ALTER TABLE "ablation_experiments" ADD CONSTRAINT "ablation_experiments_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "ablation_experiments" ADD CONSTRAINT "ablation_experiments_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");