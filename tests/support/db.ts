import postgres from "postgres";
import { stack } from "./stack.ts";

/** One connection; statements on it run one after the other. */
export type Connection = postgres.Sql;

/** The roles that reach the database through the API. */
export type ApiRole = "anon" | "authenticated" | "service_role";

const open = new Set<Connection>();
let shared: Connection | undefined;

/** The role `postgres`: owns every object, is bound by no policy. */
export function admin(): Connection {
  shared ??= connect({});
  return shared;
}

/** A further connection of `postgres`, for tests that need two at once. */
export function adminConnection(): Connection {
  return connect({});
}

/**
 * A connection of its own that acts as PostgREST does for a request of `role`
 * with these claims in its JWT.
 *
 * @example as("authenticated", { sub: owner.id })
 */
export function as(
  role: ApiRole,
  claims: Readonly<Record<string, unknown>> = {},
): Connection {
  return connect({
    role,
    "request.jwt.claims": JSON.stringify({ role, ...claims }),
  });
}

/** Closes what this test file opened; runs after every file. */
export async function closeConnections(): Promise<void> {
  const connections = [...open];
  open.clear();
  shared = undefined;
  await Promise.all(connections.map((sql) => sql.end({ timeout: 5 })));
}

function connect(settings: Record<string, string>): Connection {
  const sql = postgres(stack().dbUrl, {
    // One handle is one session: tests hold locks in one and wait in another.
    max: 1,
    connection: { application_name: "tests", ...settings },
    onnotice: () => {},
  });
  open.add(sql);
  return sql;
}
