import { createDirectRpc } from "./database/direct.ts";
import { ENDPOINTS, ENDPOINTS_OF_GUESTS } from "./endpoints.ts";
import { createDeps } from "./frame/deps.ts";
import { createRouter } from "./router.ts";

/**
 * Serves every endpoint as a route of one function, which reaches the database
 * by a connection of its own: nothing need be exposed in the project's API.
 */
export function serveRoutes(): void {
  const read = (name: string) => Deno.env.get(name)?.trim() || undefined;
  const databaseUrl = read("SUPABASE_DB_URL");
  if (databaseUrl === undefined) {
    throw new Error("Set SUPABASE_DB_URL: it is empty");
  }
  const schema = read("FAIRLANE_SCHEMA") ?? "fairlane";
  const deps = createDeps(
    read,
    (_env, timeoutMs) => createDirectRpc({ databaseUrl, schema, timeoutMs }),
  );
  const endpoints = schema === "public" ? ENDPOINTS : ENDPOINTS_OF_GUESTS;
  Deno.serve(createRouter(endpoints, deps));
}
