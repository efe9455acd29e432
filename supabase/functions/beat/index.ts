import { createHandler } from "../_fairlane/endpoints/beat.ts";
import { createDeps } from "../_fairlane/frame/deps.ts";

Deno.serve(createHandler(createDeps((name) => Deno.env.get(name))));
