import { describe, expect, test } from "vitest";
import { createNoteCall } from "./note-calls.ts";
import type { RpcArguments } from "./rpc.ts";

const MACHINE = { kind: "token", hash: "ab" } as const;

describe("createNoteCall()", () => {
  test("notes a token's question about a task, once a minute", async () => {
    const { note, noted, wait } = world();
    await note(MACHINE, { task_id: "a" }, "r");
    await note(MACHINE, { task_id: "a" }, "r");
    await note(MACHINE, { task_id: "b" }, "r");
    await note({ ...MACHINE, hash: "cd" }, { task_id: "a" }, "r");
    expect(noted.map(({ p_task_id }) => p_task_id)).toEqual(["a", "b", "a"]);
    wait(60_000);
    await note(MACHINE, { task_id: "a" }, "r");
    expect(noted).toHaveLength(4);
  });

  test("notes nothing of others, and nothing about no task", async () => {
    const { note, noted } = world();
    await note({ kind: "service" }, { task_id: "a" }, "r");
    await note({ kind: "user", user_id: "u" }, { task_id: "a" }, "r");
    await note(MACHINE, { run_type: "gpu" }, "r");
    expect(noted).toEqual([]);
  });

  test("tries again after it failed, and says nothing of it", async () => {
    const { note, noted } = world(1);
    await note(MACHINE, { task_id: "a" }, "r");
    await note(MACHINE, { task_id: "a" }, "r");
    expect(noted).toHaveLength(2);
  });
});

function world(failures = 0) {
  const noted: RpcArguments[] = [];
  let time = 0;
  const note = createNoteCall({
    rpc: (_name, args) => {
      noted.push(args);
      return noted.length <= failures
        ? Promise.reject(new Error("down"))
        : Promise.resolve("true");
    },
    now: () => time,
  });
  return { note, noted, wait: (ms: number) => time += ms };
}
