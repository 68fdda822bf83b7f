CREATE INDEX "responses_key" ON "responses" ("key","id");--> statement-breakpoint
CREATE INDEX "responses_model" ON "responses" ("model_id","created_at","id");