/** Requests are checked against a model before anything runs. */
import type { AttributionRequest, ScoreRequest, SeedRequest, SeedTerm } from "../engine.ts";
import { InputError } from "../errors.ts";
import type { ModelConfig } from "../model/config.ts";
import { checkIntervention } from "./intervention.ts";

/** Checks a request against a model. Throws InputError naming the argument. */
export function checkRequest(config: ModelConfig, request: AttributionRequest | SeedRequest): void {
  if ("seed" in request) checkSeed(config, request);
  else checkPair(config, request);
}

function checkPair(config: ModelConfig, { inputIds, target, contrast }: AttributionRequest): void {
  checkIds(config, inputIds);
  for (const [where, id] of [["target", target], ["contrast", contrast]] as const) {
    if (id !== undefined) checkId(config, id, where);
  }
  if (target === contrast) {
    throw new InputError(
      `target and contrast are the same token ${target}`,
      "contrast",
      "name the token that should have come instead of the target",
    );
  }
}

function checkSeed(config: ModelConfig, { inputIds, seed }: SeedRequest): void {
  checkIds(config, inputIds);
  if (seed.length === 0) throw new InputError("the seed has no terms", "seed", "name at least one");
  seed.forEach((term, index) => checkTerm(config, inputIds.length, term, `seed[${index}]`));
}

function checkTerm(config: ModelConfig, tokens: number, term: SeedTerm, where: string): void {
  const { position, target, contrast, factor } = term;
  if (!Number.isInteger(position) || position < 0 || position >= tokens) {
    throw new InputError(
      `there is no position ${position} among ${tokens} tokens`,
      `${where}.position`,
      `use a whole number from 0 to ${tokens - 1}`,
    );
  }
  checkId(config, target, `${where}.target`);
  if (typeof contrast === "number") checkId(config, contrast, `${where}.contrast`);
  if (target === contrast) {
    throw new InputError(
      `target and contrast are the same token ${target}`,
      `${where}.contrast`,
      'name another token, "mean" or null',
    );
  }
  if (!Number.isFinite(factor)) {
    throw new InputError(`${factor} is no factor`, `${where}.factor`, "use a finite number");
  }
}

/** The same for ids alone. */
export function checkIds(config: ModelConfig, inputIds: readonly number[]): void {
  if (inputIds.length === 0) throw new InputError("the prompt has no tokens", "input", "give at least one token");
  if (inputIds.length > config.maxPositions) {
    throw new InputError(
      `the prompt has ${inputIds.length} tokens and the model takes ${config.maxPositions}`,
      "input",
      "shorten it",
    );
  }
  inputIds.forEach((id, index) => checkId(config, id, `input[${index}]`));
}

/** The same for one id, named `where`. */
export function checkId({ vocabulary }: ModelConfig, id: number, where: string): void {
  if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
    throw new InputError(
      `token id ${id} is not in the vocabulary of ${vocabulary}`,
      where,
      `use whole numbers from 0 to ${vocabulary - 1}`,
    );
  }
}

/** The same for a request for logits. */
export function checkScoreRequest(config: ModelConfig, request: ScoreRequest): void {
  const { inputIds, target, contrast, tokens = [], top = 0 } = request;
  checkIds(config, inputIds);
  if (target !== undefined) checkId(config, target, "target");
  if (contrast !== undefined) checkId(config, contrast, "contrast");
  tokens.forEach((id, index) => checkId(config, id, `tokens[${index}]`));
  if (!Number.isInteger(top) || top < 0) throw new InputError(`${top} is no count`, "top", "use a whole number");
  checkIntervention(config, inputIds.length, request);
}
