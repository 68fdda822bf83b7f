/** Fields of JSON objects that people give us, read with errors that name them. */
import { InputError } from "../errors.ts";
import type { JsonObject } from "./json.ts";

/** A field's value; null counts as missing, as in transformers. Throws InputError when it is missing without fallback. */
export function field(json: JsonObject, name: string, where: string, fallback?: unknown): unknown {
  const value = json[name] ?? fallback;
  if (value === undefined) throw new InputError(`${name} is missing`, where, `add ${name}`);
  return value;
}

/** A positive whole number below 2^31. A fallback is computed by the caller, and checked there. */
export function count(json: JsonObject, name: string, where: string, fallback?: number): number {
  const value = field(json, name, where, fallback);
  if (value === fallback && json[name] == null) return fallback!;
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw new InputError(`${name} is ${JSON.stringify(value)}`, where, "use a positive whole number below 2^31");
}

export function positive(json: JsonObject, name: string, where: string, fallback?: number): number {
  const value = field(json, name, where, fallback);
  if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
  throw new InputError(`${name} is ${JSON.stringify(value)}`, where, "use a positive number");
}

/** False where it is missing. */
export function flag(json: JsonObject, name: string, where: string): boolean {
  const value = field(json, name, where, false);
  if (typeof value === "boolean") return value;
  throw new InputError(`${name} is ${JSON.stringify(value)}`, where, "use true or false");
}

/** A list of `length` positive numbers. */
export function positives(json: JsonObject, name: string, where: string, length: number): readonly number[] {
  const value = field(json, name, where);
  const good = (item: unknown): item is number => typeof item === "number" && item > 0 && Number.isFinite(item);
  if (Array.isArray(value) && value.length === length && value.every(good)) return value;
  const found = Array.isArray(value) ? `a list of ${value.length}` : JSON.stringify(value);
  throw new InputError(`${name} is ${found}`, where, `list ${length} positive numbers`);
}
