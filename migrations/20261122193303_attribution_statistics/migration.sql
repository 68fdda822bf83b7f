-- Ranges of these columns are asked for far out in their tails, where histograms of 1 % a bin mislead the planner: it
-- then looks for the newest few matches among all rows.
ALTER TABLE "attributions"
  ALTER COLUMN "logit_difference" SET STATISTICS 1000,
  ALTER COLUMN "instruction_sum" SET STATISTICS 1000,
  ALTER COLUMN "query_sum" SET STATISTICS 1000,
  ALTER COLUMN "answer_sum" SET STATISTICS 1000,
  ALTER COLUMN "special_sum" SET STATISTICS 1000;
