import { createDeps } from "../_fairlane/frame/deps.ts";
import { createHandler } from "./handler.ts";

Deno.serve(createHandler(createDeps((name) => Deno.env.get(name))));
