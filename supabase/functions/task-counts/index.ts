import { createHandler } from "../_fairlane/endpoints/task-counts.ts";
import { createDeps } from "../_fairlane/frame/deps.ts";

Deno.serve(createHandler(createDeps((name) => Deno.env.get(name))));
