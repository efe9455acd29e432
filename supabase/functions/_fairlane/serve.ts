import { createPostgrestRpc } from "./database/postgrest.ts";
import { createDeps } from "./frame/deps.ts";
import type { CreateHandler } from "./frame/endpoint.ts";

/** Serves one endpoint: all that the entry file of a deployed function does. */
export function serve(createHandler: CreateHandler): void {
  const deps = createDeps(
    (name) => Deno.env.get(name),
    (env, timeoutMs) => createPostgrestRpc({ ...env, fetch, timeoutMs }),
  );
  Deno.serve(createHandler(deps));
}
