CREATE TYPE "series_kind" AS ENUM('scaling', 'training');--> statement-breakpoint
CREATE TYPE "outcome" AS ENUM('m_ia', 'nc_ia_m_ag', 'nc_ia_ag');--> statement-breakpoint
CREATE TYPE "pattern" AS ENUM('urt', 'oit', 'urt_oit');--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'build_graph';--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'diagnose';--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'mask';--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'study';--> statement-breakpoint
ALTER TYPE "job_kind" ADD VALUE 'export_preferences';--> statement-breakpoint
CREATE TABLE "attribution_graphs" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "attribution_graphs_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"attribution_id" integer NOT NULL,
	"options" jsonb NOT NULL,
	"options_hash" text NOT NULL,
	"nodes" integer NOT NULL,
	"edges" integer NOT NULL,
	"summary" jsonb NOT NULL,
	"file" bytea NOT NULL,
	"adapter" text NOT NULL,
	"seconds" double precision NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "attribution_graphs_options" UNIQUE("attribution_id","options_hash")
);
--> statement-breakpoint
CREATE TABLE "diagnoses" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "diagnoses_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"attribution_id" integer NOT NULL UNIQUE,
	"outcome" "outcome" NOT NULL,
	"pattern" "pattern",
	"confidence" double precision NOT NULL,
	"evidence" jsonb NOT NULL,
	"version" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "labels" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "labels_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"token_pair_id" integer NOT NULL,
	"reader" text NOT NULL,
	"outcome" "outcome" NOT NULL,
	"pattern" "pattern",
	"note" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "labels_pair_reader" UNIQUE("token_pair_id","reader")
);
--> statement-breakpoint
CREATE TABLE "masking_experiments" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "masking_experiments_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"token_pair_id" integer NOT NULL,
	"model_id" integer NOT NULL,
	"replacement" text NOT NULL,
	"ranking" text NOT NULL,
	"answer_too" boolean NOT NULL,
	"seed" integer NOT NULL,
	"budget" integer NOT NULL,
	"flip_away" integer,
	"flip_to_contrast" integer,
	"flip_to_pass" integer,
	"comprehensiveness" double precision,
	"sufficiency" double precision,
	"curve" jsonb NOT NULL,
	"adapter" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "masking_experiments_settings" UNIQUE("token_pair_id","model_id","replacement","ranking","answer_too","seed","budget")
);
--> statement-breakpoint
CREATE TABLE "model_series" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "model_series_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"name" text NOT NULL UNIQUE,
	"kind" "series_kind" NOT NULL,
	"members" jsonb NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "preferences" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "preferences_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"token_pair_id" integer NOT NULL,
	"failure_case_id" integer NOT NULL,
	"formula" text NOT NULL,
	"chosen_ids" integer[] NOT NULL,
	"rejected_ids" integer[] NOT NULL,
	"chosen_weights" double precision[] NOT NULL,
	"rejected_weights" double precision[] NOT NULL,
	"adapter" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "preferences_pair_formula" UNIQUE("token_pair_id","formula")
);
--> statement-breakpoint
CREATE TABLE "studies" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "studies_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"series_id" integer NOT NULL,
	"rule" "rule" NOT NULL,
	"name" text NOT NULL UNIQUE,
	"job_id" uuid,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "study_pairs" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "study_pairs_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"study_id" integer NOT NULL,
	"token_pair_id" integer NOT NULL,
	CONSTRAINT "study_pairs_pair" UNIQUE("study_id","token_pair_id")
);
--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "instruction_sum" double precision;--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "query_sum" double precision;--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "answer_sum" double precision;--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "special_sum" double precision;--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "outcome" "outcome";--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "pattern" "pattern";--> statement-breakpoint
ALTER TABLE "job_tasks" ADD COLUMN "model_id" integer;--> statement-breakpoint
ALTER TABLE "job_tasks" ADD COLUMN "done" boolean DEFAULT false NOT NULL;--> statement-breakpoint
UPDATE "job_tasks" SET "done" = "attribution_id" IS NOT NULL, "model_id" = (
	SELECT "failure_cases"."model_id" FROM "token_pairs"
	INNER JOIN "failure_cases" ON "failure_cases"."id" = "token_pairs"."failure_case_id"
	WHERE "token_pairs"."id" = "job_tasks"."token_pair_id"
);--> statement-breakpoint
ALTER TABLE "job_tasks" DROP CONSTRAINT "job_tasks_key";--> statement-breakpoint
ALTER TABLE "job_tasks" ADD CONSTRAINT "job_tasks_key" PRIMARY KEY("job_id","token_pair_id","model_id");--> statement-breakpoint
ALTER TABLE "attributions" DROP CONSTRAINT "attributions_pair_rule";--> statement-breakpoint
ALTER TABLE "attributions" ADD CONSTRAINT "attributions_pair_rule" UNIQUE("token_pair_id","rule","model_id");--> statement-breakpoint
CREATE INDEX "attribution_graphs_created" ON "attribution_graphs" ("created_at","id");--> statement-breakpoint
CREATE INDEX "masking_experiments_created" ON "masking_experiments" ("created_at","id");--> statement-breakpoint
CREATE INDEX "attributions_outcome" ON "attributions" ("outcome","created_at","id");--> statement-breakpoint
CREATE INDEX "attributions_pattern" ON "attributions" ("pattern","created_at","id");--> statement-breakpoint
CREATE INDEX "attributions_instruction" ON "attributions" ("instruction_sum","id");--> statement-breakpoint
CREATE INDEX "attributions_query" ON "attributions" ("query_sum","id");--> statement-breakpoint
CREATE INDEX "attributions_answer" ON "attributions" ("answer_sum","id");--> statement-breakpoint
ALTER TABLE "attribution_graphs" ADD CONSTRAINT "attribution_graphs_attribution" FOREIGN KEY ("attribution_id") REFERENCES "attributions"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "diagnoses" ADD CONSTRAINT "diagnoses_attribution" FOREIGN KEY ("attribution_id") REFERENCES "attributions"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "labels" ADD CONSTRAINT "labels_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "masking_experiments" ADD CONSTRAINT "masking_experiments_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "masking_experiments" ADD CONSTRAINT "masking_experiments_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");--> statement-breakpoint
ALTER TABLE "preferences" ADD CONSTRAINT "preferences_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "preferences" ADD CONSTRAINT "preferences_case" FOREIGN KEY ("failure_case_id") REFERENCES "failure_cases"("id");--> statement-breakpoint
ALTER TABLE "studies" ADD CONSTRAINT "studies_series" FOREIGN KEY ("series_id") REFERENCES "model_series"("id");--> statement-breakpoint
ALTER TABLE "studies" ADD CONSTRAINT "studies_job" FOREIGN KEY ("job_id") REFERENCES "jobs"("id");--> statement-breakpoint
ALTER TABLE "study_pairs" ADD CONSTRAINT "study_pairs_study" FOREIGN KEY ("study_id") REFERENCES "studies"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "study_pairs" ADD CONSTRAINT "study_pairs_token_pair" FOREIGN KEY ("token_pair_id") REFERENCES "token_pairs"("id");--> statement-breakpoint
ALTER TABLE "job_tasks" ADD CONSTRAINT "job_tasks_model" FOREIGN KEY ("model_id") REFERENCES "models"("id");