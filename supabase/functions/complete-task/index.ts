import { createHandler } from "../_fairlane/endpoints/complete-task.ts";
import { createFileDeps } from "../_fairlane/frame/file-deps.ts";

Deno.serve(createHandler(createFileDeps((name) => Deno.env.get(name))));
