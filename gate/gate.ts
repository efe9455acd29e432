import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeChoice } from "../stack/postgres-server.ts";
import type { Stack } from "../stack/stack.ts";
import { FunctionCalls } from "./function-calls.ts";
import { fails, type Outcome, passes, skips, total } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import { Programs } from "./programs.ts";
import { excerpt, skippedLines, stepLine } from "./report.ts";
import { runCrew } from "./run-crew.ts";
import type { CheckoutContext, Crew, GateStack, StackContext } from "./step.ts";

/** A step with its context already in it. */
interface Task {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

/** One run of the gate: what it started and what it found so far. */
export class Gate {
  readonly #context: CheckoutContext;
  readonly #programs: Programs;
  readonly #plan: Plan;
  readonly #outcomes: Outcome[] = [];
  readonly #stacks: Promise<Stack>[] = [];
  #running: Promise<void> | undefined;
  #isStopping = false;

  constructor(root: string, workDir: string, plan: Plan) {
    this.#programs = new Programs(root);
    this.#context = { root, workDir, run: this.#programs.run };
    this.#plan = plan;
  }

  /** Whether the run was told to end before its last step. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Runs every step of the plan; the sum of what they found. */
  async run(): Promise<Outcome> {
    this.#running = this.#runSteps();
    await this.#running;
    return total(this.#outcomes);
  }

  /** Ends everything this run started; safe to call at any moment. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#programs.stop();
    const stacks = await Promise.allSettled(this.#stacks.splice(0));
    for (const stack of stacks) {
      if (stack.status === "fulfilled") await stack.value.stop();
    }
    // Steps clean up behind themselves, now that their programs have ended.
    await this.#running?.catch(() => undefined);
  }

  async #runSteps(): Promise<void> {
    const { crews, last } = this.#plan;
    const needsStack = ({ lanes, steps }: Crew) =>
      [...lanes, { steps }].some((one) => one.steps.length > 0);
    if (crews.some(needsStack)) console.log(describeChoice());
    const stacks = await Promise.all(crews.map((crew) =>
      runCrew(crew, {
        start: (stack) => this.#start(stack),
        onFiles: ({ name, run }) =>
          this.#runOne({ name, run: () => run(this.#context) }),
        onStack: ({ name, run }, context) =>
          this.#runOne({ name, run: () => run(context) }),
        leaveOut: ({ name }) =>
          this.#runOne({
            name,
            run: () =>
              Promise.resolve(skips(`${name}: the stack did not start`)),
          }),
      })
    ));
    for (const { name, run } of last) {
      await this.#runOne({ name, run: () => run(stacks.flat()) });
    }
  }

  async #start(
    { name, server, begin }: GateStack,
  ): Promise<StackContext | undefined> {
    let context: StackContext | undefined;
    const folder = join(this.#context.workDir, name);
    const stackLog = `${folder}.log`;
    await this.#runOne({
      name,
      run: async () => {
        writeFileSync(stackLog, "");
        const started = begin(
          folder,
          (line) => appendFileSync(stackLog, `${line}\n`),
        );
        this.#stacks.push(started);
        const stack = await started;
        const functionCalls = new FunctionCalls(stack.adminDbUrl);
        await functionCalls.start();
        context = {
          ...this.#context,
          stack,
          server: server(),
          stackLog,
          functionCalls,
        };
        return name === "stack" && context.server.major === 17
          ? skips("Postgres 15 and the real pg_cron: " + describeChoice())
          : passes();
      },
    });
    return context;
  }

  async #runOne({ name, run }: Task): Promise<void> {
    if (this.#isStopping) return;
    const begin = performance.now();
    const outcome = await run().catch((error: unknown) =>
      fails(error instanceof Error ? `${error.stack}` : String(error))
    );
    // What failed because it was stopped says nothing.
    if (this.#isStopping) return;
    this.#outcomes.push(outcome);
    // All of a step at once: another lane may print between two lines.
    const lines = [stepLine(name, outcome, performance.now() - begin)];
    for (const line of skippedLines(outcome.skipped)) lines.push(excerpt(line));
    if (outcome.failed > 0) lines.push(excerpt(outcome.report));
    console.log(lines.join("\n"));
  }
}
