import { describe, expect, it } from "vitest";
import { stackAddresses } from "../stack/stack-addresses.ts";
import { postgresServer } from "../stack/postgres-server.ts";
import { FunctionCalls } from "./function-calls.ts";
import { startFreshStack } from "./fresh-stack.ts";
import { passes } from "./outcome.ts";
import { runCrew } from "./run-crew.ts";
import type { CheckoutStep, Crew, Lane, StackContext } from "./step.ts";

const ONE: Lane = lane("one");
const TWO: Lane = lane("two");

describe("runCrew()", () => {
  it("gives what is left to the lane that has nothing else to do", async () => {
    let end = () => {};
    const ended = new Promise<void>((resolve) => end = resolve);
    const said = await play(
      {
        lanes: [{ ...ONE, steps: [step("own")] }, TWO],
        beside: [],
        files: [step("files")],
        steps: [step("first"), step("last")],
      },
      // The lane's own step takes as long as all others.
      (name) => name === "own" ? ended : void (name === "last" && end()),
    );
    expect(said).toEqual([
      "start one",
      "files",
      "own on one",
      "start two",
      "first on two",
      "last on two",
    ]);
  });

  it("starts no stack for the files alone", async () => {
    const crew = {
      lanes: [ONE, TWO],
      beside: [],
      files: [step("files")],
      steps: [],
    };
    expect(await play(crew)).toEqual(["files"]);
  });

  it("leaves the steps of a stack that does not come to the other", async () => {
    const said = await play({
      lanes: [{ ...lane("broken"), steps: [step("own")] }, TWO],
      beside: [],
      files: [],
      steps: [step("first"), step("last")],
    });
    expect(said.filter((line) => !line.startsWith("start"))).toEqual([
      "own left out",
      "first on two",
      "last on two",
    ]);
  });

  it("lets no lane wait for what waits itself, and ends when that has", async () => {
    let end = () => {};
    const ended = new Promise<void>((resolve) => end = resolve);
    const said = await play(
      {
        lanes: [ONE],
        beside: [step("beside")],
        files: [step("files")],
        steps: [step("last")],
      },
      // It would never end if the lane came after it.
      (name) => name === "beside" ? ended : void (name === "last" && end()),
    );
    expect(said.toSorted()).toEqual([
      "beside",
      "files",
      "last on one",
      "start one",
    ]);
  });

  it("leaves out what no stack came for", async () => {
    const crew = {
      lanes: [lane("broken"), lane("also broken")],
      beside: [],
      files: [],
      steps: [step("first"), step("last")],
    };
    expect((await play(crew)).filter((line) => line.endsWith("out")).sort())
      .toEqual(["first left out", "last left out"]);
  });
});

/** What was done, in order. */
async function play(
  crew: Crew,
  run: (name: string) => Promise<void> | void = () => {},
): Promise<string[]> {
  const said: string[] = [];
  const contexts = await runCrew(crew, {
    start({ name }) {
      said.push(`start ${name}`);
      const context = name.includes("broken") ? undefined : on(name);
      return Promise.resolve(context);
    },
    async onFiles({ name }) {
      said.push(name);
      await run(name);
    },
    async onStack({ name }, { stackLog }) {
      said.push(`${name} on ${stackLog}`);
      await run(name);
    },
    leaveOut({ name }) {
      said.push(`${name} left out`);
      return Promise.resolve();
    },
  });
  const started = said.filter((line) => /^start(?!.*broken)/.test(line));
  expect(contexts.map(({ stackLog }) => `start ${stackLog}`).sort())
    .toEqual(started.sort());
  return said;
}

function step(name: string): CheckoutStep {
  return { name, run: () => Promise.resolve(passes()) };
}

function lane(name: string): Lane {
  const server = () => postgresServer(17);
  return { stack: { name, server, begin: startFreshStack }, steps: [] };
}

/** Known by its log. */
function on(name: string): StackContext {
  return {
    root: "",
    workDir: "",
    run: () => Promise.reject(new Error("A program was run")),
    stack: stackAddresses(1, 1),
    server: postgresServer(17),
    stackLog: name,
    functionCalls: new FunctionCalls(""),
  };
}
