/** The database for a verb that needs it: joined when it runs, started when not. */
import { type Connection, openDatabase, startDatabase } from "../database/database.ts";
import { readSettings } from "../base/settings.ts";

/** Runs the work with a connection, and leaves the database as it was found. */
export async function withDatabase<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
  const database = await startDatabase(readSettings());
  const connection = openDatabase(database.url);
  try {
    return await work(connection);
  } finally {
    await connection.close();
    await database.stop();
  }
}
