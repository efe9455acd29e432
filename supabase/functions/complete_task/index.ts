// Deployed workers call the endpoint by this name; it is the same endpoint.
import { createDeps } from "../_shared/deps.ts";
import { createHandler } from "../complete-task/handler.ts";

Deno.serve(createHandler(createDeps((name) => Deno.env.get(name))));
