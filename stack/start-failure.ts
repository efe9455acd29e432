/**
 * Why Postgres did not start and what can be done, from what it has printed.
 *
 * A database may hold something that its owner wants: nothing here removes one.
 */
export function startFailure(
  log: string,
  dataDir: string,
  major: number,
): Error {
  const lines = log.trim().split("\n").map((line) =>
    /(?:FATAL|PANIC|DETAIL): +(.*)/.exec(line)?.[1]
  ).filter((line) => line !== undefined);
  const said = lines.length > 0 ? lines.join(" ") : log.trim() || "nothing";
  return new Error(
    `Postgres does not start on the database in ${dataDir}. It says: ${said}\n` +
      "The database was left as it is. To give it up and make a new one: " +
      // Named, because the other server has a database of its own.
      `POSTGRES=${major} npm run stack -- reset`,
  );
}
