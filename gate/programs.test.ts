import process from "node:process";
import { describe, expect, it } from "vitest";
import { Programs } from "./programs.ts";

const NODE = process.execPath;

describe("Programs.run()", () => {
  it("keeps what the program said, and how it ended", async () => {
    const programs = new Programs(process.cwd());
    const script = "console.log('out'); console.error('err'); process.exit(3)";
    const finished = await programs.run(NODE, ["-e", script]);
    expect(finished).toMatchObject({
      ok: false,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  it("hands over input and environment", async () => {
    const programs = new Programs(process.cwd());
    const script = "process.stdin.pipe(process.stdout); " +
      "console.log(process.env.GREETING)";
    const finished = await programs.run(NODE, ["-e", script], {
      input: "input",
      env: { GREETING: "hello" },
    });
    expect(finished).toMatchObject({ ok: true, stdout: "hello\ninput" });
  });

  it("says so when the program does not exist", async () => {
    const programs = new Programs(process.cwd());
    const finished = await programs.run("no-such-program", []);
    expect(finished.ok).toBe(false);
    expect(finished.output).toContain("no-such-program");
  });
});

describe("Programs.stop()", () => {
  it("ends a program and its children, then starts no other", async () => {
    const programs = new Programs(process.cwd());
    // The grandchild holds the output open: only its end ends the run.
    const script = `const { spawn } = require("node:child_process");
      const idle = "console.log(1); setInterval(() => {}, 1000)";
      spawn(process.execPath, ["-e", idle], { stdio: "inherit" });
      setInterval(() => {}, 1000);`;
    let begun: () => void = () => {};
    const ready = new Promise<void>((resolve) => begun = resolve);
    const running = programs.run(NODE, ["-e", script], { onOutput: begun });
    await ready;

    await programs.stop();

    expect((await running).ok).toBe(false);
    await expect(programs.run(NODE, [])).rejects.toThrow("stopped");
  });
});
