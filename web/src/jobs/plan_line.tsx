/** @jsxImportSource preact */
/** What work will take, said before it is asked for. */
import { useEffect, useState } from "preact/hooks";
import { request, RequestError } from "../shell/client.ts";
import { PLAN, type Plan, type PlanInput } from "./plan_documents.ts";
import { describePlan } from "./plan_words.ts";
import { useLoad } from "../shell/use_load.ts";

/** Who starts at once needs no plan, which takes a device of its own for seconds. */
const PAUSE_MS = 700;

async function readPlan(input: PlanInput, signal: AbortSignal): Promise<Plan> {
  const { plan } = await request(PLAN, { input }, signal);
  if (plan.__typename === "InputError") throw new RequestError(plan.problem, "refused");
  return plan;
}

/** `loud`: says too why there is no plan. `turn` changes when what is stored may have changed. */
export function PlanLine(props: { readonly input: PlanInput; readonly loud?: boolean; readonly turn?: number }) {
  const { input, loud = false, turn = 0 } = props;
  const key = `plan ${JSON.stringify(input)} ${turn}`;
  const [settled, setSettled] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSettled(key), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [key]);
  const reading = useLoad(settled === key ? key : null, (signal) => readPlan(input, signal));
  const plan = reading.data;
  return (
    <p class="plan small quiet" role="status" data-runs={plan?.runs} data-fits={plan?.fits}>
      {plan !== undefined
        ? plan.fits ? describePlan(plan) : <strong>{`It does not seem to fit: ${plan.why}.`}</strong>
        : reading.error !== undefined
        ? loud ? `There is no plan: ${reading.error.message}` : ""
        : loud || reading.loading
        ? <span class="waiting">Planning</span>
        : ""}
    </p>
  );
}
