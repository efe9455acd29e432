import { spawn } from "node:child_process";
import { ExplainedError } from "./explained-error.mjs";
import { failureReason } from "./failure-reason.mjs";

/** Steps that run now, each with its title and when it began. */
const running = new Map();
const isTerminal = process.stdout.isTTY === true && !process.env.CI;
let ticker;

/**
 * Runs a program to its end and shows how long it takes.
 *
 * Its output appears only when it fails in a way that has no name here. In a
 * terminal one line counts the seconds of all that runs; elsewhere a line is
 * printed now and then.
 */
export async function runWithProgress(title, program, args, options = {}) {
  const started = Date.now();
  running.set(title, started);
  if (!isTerminal) console.log(`${title} ...`);
  ticker ??= setInterval(showRunning, isTerminal ? 500 : 10_000);
  showInTerminal();
  const failure = await failureOf(program, args, options);
  running.delete(title);
  if (running.size === 0) {
    clearInterval(ticker);
    ticker = undefined;
  }
  const result = failure === undefined ? "done" : "failed";
  const clear = isTerminal ? "\r\x1b[K" : "";
  console.log(`${clear}${title}: ${result} in ${secondsSince(started)} s`);
  showInTerminal();
  if (failure !== undefined) {
    const reason = failureReason(failure);
    throw new ExplainedError(
      reason === undefined
        ? `${title} failed: ${failure}`
        : `${title} failed. ${reason}.`,
    );
  }
}

/** Undefined when the program succeeds, else what it said. */
function failureOf(program, args, options) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      ...options,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => output += chunk);
    child.stderr.on("data", (chunk) => output += chunk);
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) =>
      resolve(
        code === 0 ? undefined : `exit code ${code}\n${shortened(output)}`,
      ));
  });
}

function showRunning() {
  if (isTerminal) return showInTerminal();
  for (const line of runningLines()) console.log(`${line} ...`);
}

function showInTerminal() {
  if (!isTerminal || running.size === 0) return;
  process.stdout.write(`\r\x1b[K${runningLines().join(", ")} ...`);
}

function runningLines() {
  return [...running].map(([title, started]) =>
    `${title} (${secondsSince(started)} s)`
  );
}

function secondsSince(time) {
  return Math.round((Date.now() - time) / 1000);
}

/** Some programs name the cause first, some last. */
function shortened(text) {
  const lines = text.trimEnd().split("\n");
  return lines.length <= 50
    ? lines.join("\n")
    : [...lines.slice(0, 20), "[...]", ...lines.slice(-30)].join("\n");
}
