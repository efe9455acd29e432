import type {
  CheckoutStep,
  Crew,
  GateStack,
  Lane,
  StackContext,
  StackStep,
} from "./step.ts";

/** How a crew's steps are carried out. */
export interface CrewRunner {
  /** Undefined when the stack does not come. */
  start(stack: GateStack): Promise<StackContext | undefined>;
  onFiles(step: CheckoutStep): Promise<void>;
  onStack(step: StackStep, context: StackContext): Promise<void>;
  /** No stack came that the step could run on. */
  leaveOut(step: StackStep): Promise<void>;
}

/** Runs all steps of a crew; the contexts of the stacks that were started. */
export async function runCrew(
  { lanes, beside, files, steps }: Crew,
  runner: CrewRunner,
): Promise<StackContext[]> {
  const filesLeft = [...files];
  const stepsLeft = [...steps];

  const runLane = async ({ stack, steps: own }: Lane) => {
    let starting: Promise<StackContext | undefined> | undefined;
    const started = () => starting ??= runner.start(stack);
    for (const step of own) {
      const context = await started();
      if (context) await runner.onStack(step, context);
      else await runner.leaveOut(step);
    }
    for (let step; (step = filesLeft.shift());) await runner.onFiles(step);
    for (let step; (step = stepsLeft.shift());) {
      const context = await started();
      if (context === undefined) {
        // Another lane may have a stack.
        stepsLeft.unshift(step);
        break;
      }
      await runner.onStack(step, context);
    }
    return await starting;
  };

  const [contexts] = await Promise.all([
    Promise.all(lanes.map(runLane)),
    Promise.all(beside.map((step) => runner.onFiles(step))),
  ]);
  for (const step of stepsLeft) await runner.leaveOut(step);
  return contexts.filter((context) => context !== undefined);
}
