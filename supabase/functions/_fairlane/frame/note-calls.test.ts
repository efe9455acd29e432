import { describe, expect, test } from "vitest";
import { createWorld } from "../_test/fakes.ts";
import type { RpcArguments } from "../database/rpc.ts";
import { createNoteCall } from "./note-calls.ts";

const MACHINE = { kind: "token", hash: "ab" } as const;

describe("createNoteCall()", () => {
  test("notes a token's question about a task, once a minute", () => {
    const { note, noted, wait } = world();
    note(MACHINE, "a", "r");
    note(MACHINE, "a", "r");
    note(MACHINE, "b", "r");
    note({ ...MACHINE, hash: "cd" }, "a", "r");
    expect(noted.map(({ p_task_id }) => p_task_id)).toEqual(["a", "b", "a"]);
    wait(60_000);
    note(MACHINE, "a", "r");
    expect(noted).toHaveLength(4);
  });

  test("notes nothing of others, and nothing about no task", () => {
    const { note, noted } = world();
    note({ kind: "service" }, "a", "r");
    note({ kind: "user", user_id: "u" }, "a", "r");
    note(MACHINE, undefined, "r");
    expect(noted).toEqual([]);
  });

  test("tries again after it failed, and says so in the log alone", async () => {
    const { note, noted, lines, works } = world(1);
    note(MACHINE, "a", "r");
    await Promise.all(works);
    note(MACHINE, "a", "r");
    expect(noted).toHaveLength(2);
    expect(lines.join()).toContain("a sign of life was not noted");
  });
});

function world(failures = 0) {
  const noted: RpcArguments[] = [];
  const works: Promise<void>[] = [];
  let time = 0;
  const { deps, lines } = createWorld("true");
  const note = createNoteCall({
    ...deps,
    rpc: (_name, args) => {
      noted.push(args);
      return noted.length <= failures
        ? Promise.reject(new Error("down"))
        : Promise.resolve("true");
    },
    now: () => time,
    after: (work) => void works.push(work),
  });
  return { note, noted, lines, works, wait: (ms: number) => time += ms };
}
