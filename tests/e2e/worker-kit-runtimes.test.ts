import process from "node:process";
import { beforeEach, describe, expect, it } from "vitest";
import { checkoutDir, denoCacheDir, denoProgram } from "../../stack/paths.ts";
import { runOrThrow } from "../../stack/run.ts";
import { stack } from "../support/stack.ts";
import { createOwner, type Owner, reset } from "../support/world.ts";

const PROGRAM = "tests/support/every-call.ts";

const RUNTIMES = {
  node: [process.execPath, "--import", "tsx", PROGRAM],
  // It may talk and read its environment, nothing else.
  deno: [
    ...[denoProgram(), "run", "--no-prompt", "--allow-net", "--allow-env"],
    // What it fetches it would tell between the lines of the program.
    ...["--quiet", "--frozen"],
    ...["--config=supabase/functions/deno.json", PROGRAM],
  ],
};

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe.each(Object.entries(RUNTIMES))("under %s", (runtime, program) => {
  it(
    "the kit claims, beats, reports, completes, fails, hands back and creates",
    async () => {
      const [path = "", ...args] = program;
      const output = await runOrThrow(`${runtime} ${PROGRAM}`, path, args, {
        cwd: checkoutDir,
        env: {
          ...process.env,
          DENO_DIR: denoCacheDir,
          SUPABASE_URL: stack().apiUrl,
          QUEUE_KEY: stack().secretKey,
          PROJECT_ID: owner.projectId,
        },
      });
      expect(JSON.parse(output)).toEqual({
        runtime,
        created: true,
        counted: 1,
        params: { prompt: "caf\u00E9 \u{1F600}" },
        beat: { success: true, stop: [] },
        reported: "In Progress",
        completed: "Complete",
        handedBack: "Queued",
        failed: "Failed",
        none: null,
      });
    },
    60_000,
  );
});
