import { isAbsolute, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  followLog,
  resetStack,
  startInBackground,
  stopStack,
} from "./commands.ts";
import { envLines, namedAddresses } from "./env-output.ts";
import { type WantedPort, wantedPort } from "./ports.ts";
import { stackUsage } from "./setup/usage.mjs";
import { stackAddresses } from "./stack-addresses.ts";
import { defaultStateDir } from "./state-dir.ts";
import { readState } from "./state-file.ts";
import { statusText } from "./status-text.ts";
import { type DevStackOptions, superviseStack } from "./supervisor.ts";

/** How `status` can print what it knows. */
const FORMATS = ["pretty", "env", "json"];

/** Runs one command of the stack; returns the exit code. */
export async function main(args: string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
}

async function dispatch(args: string[]): Promise<number> {
  const { positionals: [command, ...more], values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      foreground: { type: "boolean", default: false },
      // Given only by startInBackground to the process it makes.
      detached: { type: "boolean", default: false },
      follow: { type: "boolean", short: "f", default: false },
      output: { type: "string", short: "o", default: "pretty" },
    },
  });
  if (more.length > 0) throw new Error(`Not understood: ${more.join(" ")}`);
  const options = devStackOptions(process.env);
  switch (command) {
    case "start":
      if (values.detached) await superviseStack(options, "nobody");
      else if (values.foreground) await superviseStack(options, "terminal");
      else await startInBackground(options);
      return 0;
    case "stop":
      await stopStack(options.stateDir);
      return 0;
    case "reset":
      await resetStack(options);
      return 0;
    case "status":
      return printStatus(options.stateDir, values.output);
    case "logs":
      return await followLog(options.stateDir, values.follow);
    default:
      console.error(stackUsage);
      return command === undefined ? 0 : 1;
  }
}

function printStatus(stateDir: string, format: string): number {
  if (!FORMATS.includes(format)) {
    console.error(`status -o takes ${FORMATS.join(", ")}, not ${format}`);
    return 1;
  }
  const state = readState(stateDir);
  if (!state?.apiPort || !state.dbPort) {
    const how = state ? `is ${state.phase}` : "is not running";
    console.error(`The stack ${how}`);
    return 1;
  }
  const addresses = stackAddresses(state.apiPort, state.dbPort);
  if (format === "env") process.stdout.write(envLines(addresses));
  else if (format === "json") {
    console.log(JSON.stringify(namedAddresses(addresses), null, 2));
  } else {
    console.log(`The stack is ${state.phase} (process ${state.pid})\n`);
    process.stdout.write(statusText(addresses));
    if (state.error) console.log(`\n${state.error}`);
  }
  return 0;
}

function devStackOptions(env: NodeJS.ProcessEnv): DevStackOptions {
  const given = env["STACK_STATE_DIR"];
  return {
    stateDir: given
      ? (isAbsolute(given) ? given : resolve(given))
      : defaultStateDir(),
    apiPort: portFrom(env, "API_PORT", 54321),
    dbPort: portFrom(env, "DB_PORT", 54322),
  };
}

function portFrom(
  env: NodeJS.ProcessEnv,
  name: "API_PORT" | "DB_PORT",
  fallback: number,
): WantedPort {
  const text = env[name];
  if (!text) return wantedPort(name, fallback, false);
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error(`${name} must be a port from 1 to 65535, not "${text}"`);
  }
  return wantedPort(name, port, true);
}
