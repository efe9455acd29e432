import { describe, expect, test } from "vitest";
import { SweepFilesReply } from "../../../../shared/sweep-files.ts";
import {
  createFileWorld,
  type FileWorldOptions,
  pathOf,
  storageRefusal,
} from "../_test/fake-storage.ts";
import { outcome, post } from "../_test/fakes.ts";
import type { RpcArguments } from "../database/rpc.ts";
import { sweepFiles } from "./sweep-files.ts";

const [A, B] = [pathOf("a.mp4"), pathOf("b.mp4")];

/** Two pages with a file each. */
function pages({ p_after }: RpcArguments): string {
  return JSON.stringify(
    p_after === undefined
      ? { files: [A], next: "somewhere" }
      : { files: [B], next: null },
  );
}

function worldOf(options: FileWorldOptions = {}) {
  return createFileWorld({ rpc: { files_to_sweep: pages }, ...options });
}

async function sweep(body: unknown, world = worldOf()) {
  const response = await sweepFiles(world.deps)(post(body));
  expect(response.status).toBe(200);
  return SweepFilesReply.parse(await response.json());
}

describe("sweep-files", () => {
  test("removes page after page through Storage", async () => {
    const world = worldOf();
    expect(await sweep({}, world)).toEqual({
      removed: 2,
      files: [A, B],
      next: null,
      dry_run: false,
    });
    expect(world.storage.map(({ method, body }) => [method, body])).toEqual([
      ["DELETE", JSON.stringify({ prefixes: [A] })],
      ["DELETE", JSON.stringify({ prefixes: [B] })],
    ]);
    expect(world.rpcCalls[1]?.args["p_after"]).toBe("somewhere");
  });

  test("goes on where it is told to, and only lists when told to", async () => {
    const world = worldOf();
    expect(await sweep({ after: "x", dry_run: true }, world)).toEqual({
      removed: 0,
      files: [B],
      next: null,
      dry_run: true,
    });
    expect(world.storage).toEqual([]);
  });

  test("stops when its time is over, and says where", async () => {
    const world = worldOf();
    let now = 0;
    const deps = { ...world.deps, now: () => now++ * 10_000 };
    const response = await sweepFiles(deps)(post({}));
    expect(await response.json()).toMatchObject({
      files: [A, B],
    });
    now = 0;
    const late = { ...world.deps, now: () => now++ * 16_000 };
    expect(await (await sweepFiles(late)(post({}))).json())
      .toMatchObject({ files: [A], next: "somewhere" });
  });

  test("says that it has failed when Storage removes nothing", async () => {
    const world = worldOf({ storage: () => storageRefusal(500, "Internal") });
    expect(await outcome(sweepFiles(world.deps), post({})))
      .toBe("503 UNAVAILABLE");
  });

  test.each(["[]", "nonsense", { after: 7 }, { dry_run: "perhaps" }])(
    "answers 400 to %j, and removes nothing",
    async (body) => {
      const world = worldOf();
      expect(await outcome(sweepFiles(world.deps), post(body)))
        .toBe("400 INVALID_BODY");
      expect(world.storage).toEqual([]);
    },
  );
});
