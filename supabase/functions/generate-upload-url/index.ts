import { createHandler } from "../_fairlane/endpoints/generate-upload-url.ts";
import { createFileDeps } from "../_fairlane/frame/file-deps.ts";

Deno.serve(createHandler(createFileDeps((name) => Deno.env.get(name))));
