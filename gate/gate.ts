import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Stack } from "../stack/stack.ts";
import { startFreshStack } from "./fresh-stack.ts";
import { FunctionCalls } from "./function-calls.ts";
import { fails, type Outcome, passes, total } from "./outcome.ts";
import { onTheFiles, onTheSchema, onTheStack } from "./plan.ts";
import { Programs } from "./programs.ts";
import { excerpt, stepLine } from "./report.ts";
import type { CheckoutContext, StackContext } from "./step.ts";

/** A step with its context already in it. */
interface Task {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

/** One run of the gate: what it started and what it found so far. */
export class Gate {
  readonly #context: CheckoutContext;
  readonly #programs: Programs;
  readonly #wants: (name: string) => boolean;
  readonly #outcomes: Outcome[] = [];
  readonly #logFile: string;
  #stack: Promise<Stack> | undefined;
  #running: Promise<void> | undefined;
  #isStopping = false;

  constructor(root: string, workDir: string, only?: ReadonlySet<string>) {
    this.#programs = new Programs(root);
    this.#context = { root, workDir, run: this.#programs.run };
    this.#wants = (name) => only?.has(name) ?? true;
    this.#logFile = join(workDir, "stack.log");
  }

  /** Whether the run was told to end before its last step. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Runs every step that is wanted; the sum of what they found. */
  async run(): Promise<Outcome> {
    this.#running = this.#runSteps();
    await this.#running;
    return total(this.#outcomes);
  }

  /** Ends everything this run started; safe to call at any moment. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#programs.stop();
    const stack = await this.#stack?.catch(() => undefined);
    await stack?.stop();
    // Steps clean up behind themselves, now that their programs have ended.
    await this.#running?.catch(() => undefined);
  }

  async #runSteps(): Promise<void> {
    const { onFiles, onSchema, onStack } = this.#wanted();
    // Two cores: while the stack starts and is looked at, the files are read.
    const files = this.#runAll(
      onFiles.map(({ name, run }) => ({
        name,
        run: () => run(this.#context),
      })),
    );
    const context = onSchema.length + onStack.length > 0
      ? await this.#start()
      : undefined;
    const bind = (steps: typeof onStack) =>
      steps.map(({ name, run }) => ({
        name,
        run: () => context ? run(context) : Promise.resolve(notRun(name)),
      }));
    await this.#runAll(bind(onSchema));
    await files;
    // These ask two sessions to meet, or watch the clock: nothing beside them.
    await this.#runAll(bind(onStack));
  }

  #wanted() {
    const wanted = ({ name }: { name: string }) => this.#wants(name);
    return {
      onFiles: onTheFiles.filter(wanted),
      onSchema: onTheSchema.filter(wanted),
      onStack: onTheStack.filter(wanted),
    };
  }

  async #start(): Promise<StackContext | undefined> {
    let context: StackContext | undefined;
    await this.#runOne({
      name: "stack",
      run: async () => {
        writeFileSync(this.#logFile, "");
        this.#stack = startFreshStack(
          join(this.#context.workDir, "stack"),
          (line) => appendFileSync(this.#logFile, `${line}\n`),
        );
        const stack = await this.#stack;
        const functionCalls = new FunctionCalls(stack.adminDbUrl);
        await functionCalls.start();
        context = {
          ...this.#context,
          stack,
          stackLog: this.#logFile,
          functionCalls,
        };
        return passes();
      },
    });
    return context;
  }

  async #runAll(tasks: readonly Task[]): Promise<void> {
    for (const task of tasks) await this.#runOne(task);
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
    console.log(stepLine(name, outcome, performance.now() - begin));
    for (const reason of outcome.skipped) {
      console.log(excerpt(`skipped: ${reason}`));
    }
    if (outcome.failed > 0) console.log(excerpt(outcome.report));
  }
}

function notRun(name: string): Outcome {
  return { ...passes(0), skipped: [`${name}: the stack did not start`] };
}
