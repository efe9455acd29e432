// Deployed workers call the endpoint by this name; it is the same endpoint.
import { createFileDeps } from "../_fairlane/frame/file-deps.ts";
import { createHandler } from "../_fairlane/endpoints/complete-task.ts";

Deno.serve(createHandler(createFileDeps((name) => Deno.env.get(name))));
