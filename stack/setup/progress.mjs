import { spawn } from "node:child_process";
import { ExplainedError } from "./explained-error.mjs";

/**
 * Runs a program to its end and shows how long it takes.
 *
 * Its output appears only when it fails. In a terminal one line counts the
 * seconds; elsewhere a line is printed now and then.
 */
export function runWithProgress(title, program, args, options = {}) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const isTerminal = process.stdout.isTTY === true && !process.env.CI;
  const show = () => {
    if (isTerminal) process.stdout.write(`\r${title} ... ${seconds()} s`);
    else console.log(`${title} ... ${seconds()} s`);
  };
  show();
  const timer = setInterval(show, isTerminal ? 1000 : 10_000);

  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...options,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => output += chunk);
    child.stderr.on("data", (chunk) => output += chunk);
    child.once("error", (error) => finish(error.message));
    child.once("close", (code) => {
      if (code === 0) finish();
      else finish(`exit code ${code}\n${lastLines(output, 30)}`);
    });
    const finish = (failure) => {
      clearInterval(timer);
      const result = failure === undefined ? "done" : "failed";
      const line = `${title} ... ${result} in ${seconds()} s`;
      console.log(isTerminal ? `\r${line}` : line);
      if (failure === undefined) resolve();
      else reject(new ExplainedError(`${title} failed: ${failure}`));
    };
  });
}

function lastLines(text, count) {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}
