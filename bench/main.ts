import { cpus, totalmem } from "node:os";
import process from "node:process";
import { startBenchStack } from "./bench-stack.ts";
import type { Context } from "./context.ts";
import { Probe } from "./measure/probe.ts";
import { readOptions, usage } from "./options.ts";
import { fullPlan, quickPlan } from "./plan.ts";
import { connectOnce } from "./queues/connect.ts";
import type { Section } from "./report/section.ts";
import { writeResults } from "./report/write-results.ts";
import { measureClaims } from "./sections/claims.ts";
import { measureCleanup } from "./sections/cleanup.ts";
import { measureCompletes } from "./sections/completes.ts";
import { measureCounts } from "./sections/counts.ts";
import { measureDurable } from "./sections/durable.ts";
import { measureHorizon } from "./sections/horizon.ts";
import { measureIdle } from "./sections/idle.ts";
import { measureInstructions } from "./sections/instructions.ts";
import { measureStorm } from "./sections/storm.ts";
import { measureWays } from "./sections/ways.ts";
import { makeModel } from "./world/model.ts";
import { shapeLabel } from "./world/shape.ts";

// npm run bench: what the queue costs, beside others and beside the least that
// Postgres can do, on this machine and in this run.

const measurements = {
  ways: measureWays,
  storm: measureStorm,
  idle: measureIdle,
  instructions: measureInstructions,
  durable: measureDurable,
  cleanup: measureCleanup,
  horizon: measureHorizon,
  completes: measureCompletes,
  counts: measureCounts,
  claims: measureClaims,
};

process.exitCode = await main(process.argv.slice(2));
// A client that was cut off may leave a timer behind.
process.exit();

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  const names = Object.keys(measurements);
  if (options.only.some((name) => !names.includes(name))) {
    console.error(usage);
    return 2;
  }
  const begin = Date.now();
  const log = (line: string) =>
    console.log(`${((Date.now() - begin) / 1000).toFixed(0)} s  ${line}`);
  const whole = options.quick ? quickPlan : fullPlan;
  const labels = whole.shapes.map(shapeLabel);
  if (options.shapes.some((label) => !labels.includes(label))) {
    console.error(`${usage}\n\nShapes: ${labels.join(", ")}`);
    return 2;
  }
  const plan = options.shapes.length === 0 ? whole : {
    ...whole,
    shapes: whole.shapes.filter((shape) =>
      options.shapes.includes(shapeLabel(shape))
    ),
  };
  const stack = await startBenchStack("bench");
  try {
    const admin = connectOnce(stack.adminDbUrl);
    await makeModel(admin, {
      tasks: plan.largestBacklog,
      users: Math.max(1_000, plan.mostUsers),
    });
    const probe = await Probe.of(admin);
    const deadline = begin + plan.minutes * 60_000;
    const context: Context = { plan, stack, admin, probe, deadline, log };
    const sections: Section[][] = [];
    for (const [name, measure] of Object.entries(measurements)) {
      if (options.only.length > 0 && !options.only.includes(name)) continue;
      const measured = await measure(context);
      measured.forEach(print);
      sections.push(measured);
    }
    await admin.end();
    const intro = introduction(args, begin);
    console.log(intro.join("\n"));
    // The matrix first: it is what one comes for.
    if (options.write) writeResults(intro, sections.reverse().flat());
    return Number(process.exitCode ?? 0);
  } finally {
    await stack.stop();
  }
}

function print({ title, notes, head, rows }: Section): void {
  console.log(`\n${title}\n${notes.join("\n")}\n`);
  console.table(
    rows.map((row) =>
      Object.fromEntries(head.map((name, column) => [name, row[column]]))
    ),
  );
}

function introduction(args: string[], begin: number): string[] {
  const minutes = ((Date.now() - begin) / 60_000).toFixed(0);
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const command = ["npm run bench", ...args.length > 0 ? ["--", ...args] : []];
  return [
    `Measured by \`${command.join(" ")}\` on ${
      new Date(begin).toISOString().slice(0, 10)
    } in ${minutes} minutes: ${cpus().length} x ${
      cpu?.model.trim() ?? "?"
    }, ${memory} GB, Node ${process.version}, PostgreSQL 15.`,
  ];
}
