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
import { stackAddresses } from "./stack-addresses.ts";
import { defaultStateDir } from "./state-dir.ts";
import { readState } from "./state-file.ts";
import { statusText } from "./status-text.ts";
import { type DevStackOptions, superviseStack } from "./supervisor.ts";

const usage = `npm run stack -- <command>

  start               start in the background ("npm start" stays in front)
  stop                stop it; the data stays
  status [-o env]     addresses and keys; -o env or -o json for programs
  reset               make the database anew: migrations, then seed
  logs [-f]           what it has printed; -f goes on printing

API_PORT and DB_PORT name other ports than 54321 and 54322. Without them, and
with one of those taken, both give way to 54331 and 54332, 54341 and 54342, ...
POSTGRES=15 or 17 names the server; see docs/platforms.md.`;

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
  const { positionals: [command], values } = parseArgs({
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
      console.error(usage);
      return command === undefined ? 0 : 1;
  }
}

function printStatus(stateDir: string, format: string): number {
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
