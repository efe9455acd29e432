// Deployed workers call the endpoint by this name; it is the same endpoint.
import { createFileDeps } from "../_shared/file-deps.ts";
import { createHandler } from "../complete-task/handler.ts";

Deno.serve(createHandler(createFileDeps((name) => Deno.env.get(name))));
