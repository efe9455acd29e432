import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { runWithProgress } from "./progress.mjs";

/** Plans fetching what the functions import, so that they run offline. */
export function planDenoModules(checkoutDir) {
  return plan(checkoutDir, {
    name: "Deno",
    cacheDir: join(checkoutDir, ".stack", "deno"),
    program: denoProgram(checkoutDir),
    lockOption,
  });
}

/** The same for the Deno that hosted functions run on; only checks use it. */
export function planHostedDenoModules(checkoutDir) {
  const program = hostedDenoProgram(checkoutDir);
  return program && plan(checkoutDir, {
    name: "Deno 2.1",
    cacheDir: join(checkoutDir, ".stack", "deno-2.1"),
    program,
    // It cannot read the form of our lock file.
    lockOption: () => ["--no-lock"],
  });
}

function plan(checkoutDir, { name, cacheDir, program, lockOption }) {
  const functionsDir = join(checkoutDir, "supabase", "functions");
  const config = join(functionsDir, "deno.json");
  if (!existsSync(config)) return undefined;
  const stamp = join(cacheDir, "fetched-for");
  const wanted = fingerprint([functionsDir, join(checkoutDir, "shared")]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) {
    return undefined;
  }
  return {
    what: `modules that the functions import, by ${name} (into .stack)`,
    async install() {
      mkdirSync(cacheDir, { recursive: true });
      await runWithProgress(
        `Fetching modules for ${name}`,
        program,
        ["cache", ...lockOption(functionsDir), `--config=${config}`]
          .concat(entryFiles(functionsDir)),
        { env: denoEnvironment(cacheDir) },
      );
      writeFileSync(stamp, wanted);
    },
  };
}

function denoEnvironment(cacheDir) {
  return {
    // The older one trusts only authorities that it brings itself.
    DENO_TLS_CA_STORE: "system",
    ...process.env,
    DENO_DIR: cacheDir,
  };
}

function lockOption(functionsDir) {
  return existsSync(join(functionsDir, "deno.lock"))
    ? ["--frozen"]
    : ["--no-lock"];
}

function entryFiles(functionsDir) {
  return readdirSync(functionsDir)
    .map((name) => join(functionsDir, name, "index.ts"))
    .filter((file) => existsSync(file));
}

/** Changes when an import may have changed, hence with any source file. */
function fingerprint(dirs) {
  const hash = createHash("sha256");
  for (const dir of dirs.filter((dir) => existsSync(dir))) {
    const names = readdirSync(dir, { recursive: true }).map(String);
    const sources = names.filter((name) =>
      /(\.ts|deno\.json|deno\.lock)$/.test(name) && !/\.test\.ts$/.test(name)
    );
    for (const name of sources.sort()) {
      hash.update(name).update(readFileSync(join(dir, name)));
    }
  }
  return hash.digest("hex");
}

function denoProgram(checkoutDir) {
  const libc = process.platform === "linux" ? "-glibc" : "";
  const name = `${process.platform}-${process.arch}${libc}`;
  return join(checkoutDir, "node_modules", "@deno", name, "deno");
}

/** Undefined where package.json does not have it. */
function hostedDenoProgram(checkoutDir) {
  const machine = `${process.platform}-${process.arch}`;
  return machine === "linux-x64"
    ? join(checkoutDir, "node_modules", `deno-2.1-${machine}`, "deno")
    : undefined;
}
