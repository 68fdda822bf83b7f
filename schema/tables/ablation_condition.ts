/** Which ablation experiments are meant, as a condition on their rows. */
import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import { ablationExperiments } from "./ablation_tables.ts";
import { attributions, failureCases, models, type outcomeEnum, tokenPairs } from "./tables.ts";

/** Conditions that must all hold; null and undefined ask for nothing. */
export interface AblationChoice {
  readonly benchmarks?: readonly string[] | null | undefined;
  /** Name of the model that computed it. */
  readonly model?: string | null | undefined;
  /** What diagnosis says of the pair on that model, under AttnLRP. */
  readonly outcome?: (typeof outcomeEnum.enumValues)[number] | null | undefined;
}

export function ablationCondition({ benchmarks, model, outcome }: AblationChoice): SQL {
  const { tokenPairId, modelId } = ablationExperiments;
  return and(
    model == null ? undefined : sql`${modelId} = (select ${models.id} from ${models} where ${models.name} = ${model})`,
    benchmarks == null ? undefined : sql`exists (select 1 from ${tokenPairs}
      inner join ${failureCases} on ${failureCases.id} = ${tokenPairs.failureCaseId}
      where ${tokenPairs.id} = ${tokenPairId} and ${inArray(failureCases.benchmark, [...benchmarks])})`,
    outcome == null ? undefined : sql`exists (select 1 from ${attributions}
      where ${attributions.tokenPairId} = ${tokenPairId} and ${attributions.modelId} = ${modelId}
        and ${and(eq(attributions.rule, "attnlrp"), eq(attributions.outcome, outcome))})`,
  ) ?? sql`true`;
}
