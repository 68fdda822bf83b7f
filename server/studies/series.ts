/** Model series: sizes or checkpoints of one family, in order. */
import { eq, inArray } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import { modelSeries } from "../../schema/tables/analysis_tables.ts";
import type { SeriesKind, SeriesMember } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import { models } from "../../schema/tables/tables.ts";
import type { Transaction } from "../database/database.ts";
import type { ModelRow } from "../models/find_model.ts";

/** A series as people ask for it; its models are found already. */
export interface SeriesRequest {
  readonly name: string;
  readonly kind: SeriesKind;
  readonly members: readonly {
    readonly model: ModelRow;
    /** The model's name when left out. */
    readonly label?: string | undefined;
    /** The model's parameters, or its place in the list, when left out. */
    readonly position?: number | undefined;
  }[];
}

export type SeriesRow = typeof modelSeries.$inferSelect;

/** A member with its model. */
export interface MemberModel extends SeriesMember {
  readonly model: ModelRow;
}

/**
 * Stores a series, or gives one of that name new members: a training series grows. Members are put in the order of their
 * positions. Throws InputError at `where` for members whose tokenizers differ, naming two, and for fewer than two.
 */
export async function storeSeries(
  db: Database | Transaction,
  request: SeriesRequest,
  where: string,
): Promise<SeriesRow> {
  const { kind } = request;
  const name = request.name.trim();
  if (name === "") throw new InputError("the name is empty", where, "name the series");
  const members = request.members.map(({ model, label, position }, index): MemberModel => ({
    modelId: model.id,
    label: label?.trim() || model.name,
    position: position ?? (kind === "scaling" ? model.parameters : index),
    model,
  })).sort((a, b) => a.position - b.position);
  checkMembers(members, where);
  const values = { name, kind, members: members.map(({ model: _model, ...member }) => member) };
  const [row] = await db.insert(modelSeries).values(values)
    .onConflictDoUpdate({ target: modelSeries.name, set: { kind, members: values.members } }).returning();
  return row!;
}

/** Throws InputError for what is no series. */
function checkMembers(members: readonly MemberModel[], where: string): void {
  if (members.length < 2) {
    throw new InputError(`${members.length} models are no series`, where, "give at least two models");
  }
  const twice = (of: (member: MemberModel) => string) =>
    members.map(of).find((one, index, all) => all.indexOf(one) !== index);
  const model = twice(({ model }) => model.name);
  if (model !== undefined) throw new InputError(`the model ${model} stands in it twice`, where, "name each model once");
  const label = twice(({ label }) => label);
  if (label !== undefined) {
    throw new InputError(`two members have the label ${JSON.stringify(label)}`, where, "give each a label of its own");
  }
  checkTokenizers(members.map(({ model }) => model), where);
}

/** Throws InputError naming the first two models whose tokenizers differ: their token ids mean different things. */
export function checkTokenizers(
  of: readonly { readonly name: string; readonly tokenizerHash: string }[],
  where: string,
): void {
  const [first] = of;
  const other = of.find(({ tokenizerHash }) => tokenizerHash !== first?.tokenizerHash);
  if (first === undefined || other === undefined) return;
  throw new InputError(
    `${other.name} has another tokenizer than ${first.name} ` +
      `(${other.tokenizerHash.slice(0, 12)} and ${first.tokenizerHash.slice(0, 12)})`,
    where,
    "compare models of one family, whose tokens have the same ids",
  );
}

/** The members of a series with their models, in order. Throws InputError when a model is gone. */
export async function membersOf(db: Database | Transaction, { name, members }: SeriesRow): Promise<MemberModel[]> {
  const rows = await db.select().from(models).where(inArray(models.id, members.map(({ modelId }) => modelId)));
  return members.map((member) => {
    const model = rows.find(({ id }) => id === member.modelId);
    if (model === undefined) throw new InputError(`the model of ${member.label} is gone`, name, "add the series again");
    return { ...member, model };
  });
}

/** The series of a name. Throws InputError when there is none. */
export async function findSeries(db: Database | Transaction, name: string, where: string): Promise<SeriesRow> {
  const [row] = await db.select().from(modelSeries).where(eq(modelSeries.name, name));
  if (row) return row;
  throw new InputError(
    `there is no series ${JSON.stringify(name)}`,
    where,
    "add it first: npx culprit study --series FILE, or the mutation addModelSeries",
  );
}
