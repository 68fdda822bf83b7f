ALTER TABLE "attribution_graphs" ADD COLUMN "adapter_checked" boolean;--> statement-breakpoint
ALTER TABLE "causal_marks" ADD COLUMN "adapter_checked" boolean;--> statement-breakpoint
ALTER TABLE "diagnoses" ADD COLUMN "adapter_checked" boolean;--> statement-breakpoint
ALTER TABLE "masking_experiments" ADD COLUMN "adapter_checked" boolean;--> statement-breakpoint
ALTER TABLE "preferences" ADD COLUMN "adapter_checked" boolean;--> statement-breakpoint
ALTER TABLE "attributions" ADD COLUMN "adapter_checked" boolean;