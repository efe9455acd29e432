// Prepares a machine and runs the project's commands. Plain JavaScript without
// dependencies, because it runs before any are installed; and old syntax in this
// file, so that an old Node can still read the message about its age.
//
//   node stack/setup.mjs                    prepare only
//   node stack/setup.mjs start              prepare, then the stack in the foreground
//   node stack/setup.mjs stack <command>    start, stop, status, reset, logs
//   node stack/setup.mjs run <file> [...]   prepare, then run a TypeScript file
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 6)) {
  console.error(
    "This project needs Node.js 20.6 or newer; this is " + process.version +
      ". See https://nodejs.org/en/download",
  );
  process.exit(1);
}

/** Installs what is missing: node packages, Debian packages, Deno modules. */
export function setup() {
  return import("./setup/prepare.mjs").then((steps) => steps.prepare());
}

const isEntryPoint = process.argv[1] !== undefined &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
if (isEntryPoint) {
  import("./setup/commands.mjs")
    .then((commands) => commands.runCommand(process.argv.slice(2)))
    .catch((error) => {
      console.error(error.isExplained ? error.message : error);
      process.exit(1);
    });
}
