import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { ExplainedError } from "./explained-error.mjs";
import { checkoutDir, prepare } from "./prepare.mjs";
import { onReaderGone } from "./reader-gone.mjs";
import { asksForHelp, stackUsage } from "./usage.mjs";

const usage = `Usage:
  node stack/setup.mjs
  node stack/setup.mjs start
  node stack/setup.mjs stack start|stop|status|reset|logs
  node stack/setup.mjs run <file> [arguments]`;

/** Runs one command line; see setup.mjs. */
export async function runCommand([command, ...rest]) {
  // A stack is left as it was asked for. A program that only prints what it
  // finds out has nobody to do it for, and tidies up as after any SIGTERM.
  onReaderGone(() => {
    if (command === "run") process.kill(process.pid, "SIGTERM");
  });
  switch (command) {
    case undefined:
      return prepare();
    case "start":
    case "stack":
      if (asksForHelp(rest)) return console.log(stackUsage);
      return runStack(command, rest);
    case "run":
      if (!rest[0]) throw new ExplainedError(usage);
      await prepare({ forChecks: true });
      return runFile(rest[0], rest.slice(1));
    default:
      throw new ExplainedError(usage);
  }
}

async function runStack(command, rest) {
  const args = command === "start" ? ["start", "--foreground", ...rest] : rest;
  if (["start", "reset"].includes(args[0])) await prepare();
  return runStackCommand(args);
}

async function runStackCommand(args) {
  await enableTypeScript();
  const { main } = await import("../cli.ts");
  process.exitCode = await main(args);
}

async function runFile(file, args) {
  await enableTypeScript();
  const path = resolve(file);
  process.argv = [process.argv[0], path, ...args];
  await import(pathToFileURL(path).href);
}

// In this process, not in a child: Ctrl-C and SIGTERM then reach the one that has
// to act on them.
async function enableTypeScript() {
  if (!existsSync(resolve(checkoutDir, "node_modules/tsx"))) {
    throw new ExplainedError(
      'Node packages are missing: run "npm start" or "node stack/setup.mjs"',
    );
  }
  const { register } = await import("tsx/esm/api");
  register();
}
