import { createDeps } from "./frame/deps.ts";
import type { CreateHandler } from "./frame/endpoint.ts";

/** Serves one endpoint: all that the entry file of a function does. */
export function serve(createHandler: CreateHandler): void {
  Deno.serve(createHandler(createDeps((name) => Deno.env.get(name))));
}
