import { createFileDeps } from "../_shared/file-deps.ts";
import { createHandler } from "./handler.ts";

Deno.serve(createHandler(createFileDeps((name) => Deno.env.get(name))));
