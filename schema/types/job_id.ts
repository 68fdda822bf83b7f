/** Ids of jobs. */
import { InputError } from "./input_error.ts";

/** Job ids are UUIDs; PostgreSQL would answer anything else with an error of its own. */
export function checkedJobId(id: string, where: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
    throw new InputError(`"${id}" is no id of a job`, where, "give an id that another query returned");
  }
  return id;
}
