/** Rows as a Parquet file. */
import { ByteWriter, parquetWrite } from "hyparquet-writer";
import type { ColumnType, PreferenceRow } from "./rows.ts";

type Schema = NonNullable<Parameters<typeof parquetWrite>[0]["schema"]>;

/** The file's bytes. Lists have the three levels that the format asks for; no value is null. */
export function parquetFile(
  columns: Readonly<Record<string, ColumnType>>,
  rows: readonly PreferenceRow[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const names = Object.entries(columns);
  const schema: Schema = [{ name: "root", num_children: names.length }];
  for (const [name, type] of names) schema.push(...elementsOf(name, type));
  const writer = new ByteWriter();
  parquetWrite({
    writer,
    columnData: names.map(([name]) => ({ name, data: rows.map((row) => row[name]!) as never })),
    schema,
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    createdBy: "culprit",
  });
  return new Uint8Array(writer.getBuffer());
}

function elementsOf(name: string, type: ColumnType): Schema {
  const repetition_type = "REQUIRED" as const;
  switch (type) {
    case "string":
      return [{ name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type }];
    case "int":
      return [{ name, type: "INT32", repetition_type }];
    case "double":
      return [{ name, type: "DOUBLE", repetition_type }];
    case "ints":
    case "doubles":
      return [
        { name, converted_type: "LIST", repetition_type, num_children: 1 },
        { name: "list", repetition_type: "REPEATED", num_children: 1 },
        { name: "element", type: type === "ints" ? "INT32" : "DOUBLE", repetition_type },
      ];
  }
}
