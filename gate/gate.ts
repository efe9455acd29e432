import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  chosenServer,
  describeChoice,
  type PostgresServer,
  postgresServer,
} from "../stack/postgres-server.ts";
import type { Stack } from "../stack/stack.ts";
import { startFreshStack, startStackAsHosted } from "./fresh-stack.ts";
import { FunctionCalls } from "./function-calls.ts";
import { fails, type Outcome, passes, skips, total } from "./outcome.ts";
import {
  onTheFiles,
  onTheSchema,
  onTheStack,
  onTheStackAsHosted,
} from "./plan.ts";
import { Programs } from "./programs.ts";
import { excerpt, skippedLines, stepLine } from "./report.ts";
import type { CheckoutContext, StackContext, StackStep } from "./step.ts";

/** A step with its context already in it. */
interface Task {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

/** A stack that steps run on. */
interface GateStack {
  /** Also the name of its log and of its folder. */
  readonly name: string;
  readonly server: PostgresServer;
  readonly begin: typeof startFreshStack;
}

/** One run of the gate: what it started and what it found so far. */
export class Gate {
  readonly #context: CheckoutContext;
  readonly #programs: Programs;
  readonly #wants: (name: string) => boolean;
  readonly #outcomes: Outcome[] = [];
  #stack: Promise<Stack> | undefined;
  #running: Promise<void> | undefined;
  #isStopping = false;

  constructor(root: string, workDir: string, only?: ReadonlySet<string>) {
    this.#programs = new Programs(root);
    this.#context = { root, workDir, run: this.#programs.run };
    this.#wants = (name) => only?.has(name) ?? true;
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
    await this.#stopStack();
    // Steps clean up behind themselves, now that their programs have ended.
    await this.#running?.catch(() => undefined);
  }

  async #runSteps(): Promise<void> {
    const { onFiles, onSchema, onStack, asHosted } = this.#wanted();
    // Two cores: while the stack starts and is looked at, the files are read.
    const files = this.#runAll(
      onFiles.map(({ name, run }) => ({
        name,
        run: () => run(this.#context),
      })),
    );
    let context: StackContext | undefined;
    if (onSchema.length + onStack.length > 0) {
      console.log(describeChoice());
      const server = chosenServer();
      context = await this.#start({
        name: "stack",
        server,
        begin: startFreshStack,
      });
    }
    await this.#runAll(bind(onSchema, context));
    await files;
    // These ask two sessions to meet, or watch the clock: nothing beside them.
    await this.#runAll(bind(onStack, context));
    if (asHosted.length === 0) return;
    await this.#stopStack();
    context = await this.#start({
      name: "stack-as-hosted",
      server: postgresServer(17),
      begin: startStackAsHosted,
    });
    await this.#runAll(bind(asHosted, context));
  }

  async #stopStack(): Promise<void> {
    const stack = await this.#stack?.catch(() => undefined);
    this.#stack = undefined;
    await stack?.stop();
  }

  #wanted() {
    const wanted = ({ name }: { name: string }) => this.#wants(name);
    return {
      onFiles: onTheFiles.filter(wanted),
      onSchema: onTheSchema.filter(wanted),
      onStack: onTheStack.filter(wanted),
      asHosted: onTheStackAsHosted.filter(wanted),
    };
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
        this.#stack = begin(
          folder,
          (line) => appendFileSync(stackLog, `${line}\n`),
        );
        const stack = await this.#stack;
        const functionCalls = new FunctionCalls(stack.adminDbUrl);
        await functionCalls.start();
        context = {
          ...this.#context,
          stack,
          server,
          stackLog,
          functionCalls,
        };
        return name === "stack" && server.major === 17
          ? skips("Postgres 15 and the real pg_cron: " + describeChoice())
          : passes();
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
    for (const line of skippedLines(outcome.skipped)) {
      console.log(excerpt(line));
    }
    if (outcome.failed > 0) console.log(excerpt(outcome.report));
  }
}

/** Gives steps their stack; without one they are not run. */
function bind(
  steps: readonly StackStep[],
  context: StackContext | undefined,
): Task[] {
  return steps.map(({ name, run }) => ({
    name,
    run: () =>
      context
        ? run(context)
        : Promise.resolve(skips(`${name}: the stack did not start`)),
  }));
}
