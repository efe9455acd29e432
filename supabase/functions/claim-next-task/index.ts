import { createHandler } from "../_fairlane/endpoints/claim-next-task.ts";
import { createDeps } from "../_fairlane/frame/deps.ts";

Deno.serve(createHandler(createDeps((name) => Deno.env.get(name))));
