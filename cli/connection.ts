import postgres from "postgres";

/** One connection to a database, direct or through a pooler. */
export function connect(url: string): postgres.Sql {
  const saysHow = /[?&]ssl(?:mode)?=/.test(url);
  return postgres(url, {
    max: 1,
    // A pooler in transaction mode keeps no statements.
    prepare: false,
    connect_timeout: 10,
    // Encrypted wherever the server can, as psql does.
    ...saysHow ? {} : { ssl: "prefer" as const },
    onnotice: () => {},
  });
}

/** The server's own words contain no password; those of others are not repeated. */
export function reasonOf(error: unknown): string {
  return error instanceof postgres.PostgresError
    ? error.message
    : codeOf(error) ?? "";
}

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
