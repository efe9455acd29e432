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
  const functionsDir = join(checkoutDir, "supabase", "functions");
  const config = join(functionsDir, "deno.json");
  if (!existsSync(config)) return undefined;
  const cacheDir = join(checkoutDir, ".stack", "deno");
  const stamp = join(cacheDir, "fetched-for");
  const wanted = fingerprint([functionsDir, join(checkoutDir, "shared")]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) {
    return undefined;
  }
  return {
    what: "modules that the functions import, by Deno (into .stack/deno)",
    async install() {
      mkdirSync(cacheDir, { recursive: true });
      await runWithProgress(
        "Fetching Deno modules",
        denoProgram(checkoutDir),
        ["cache", ...lockOption(functionsDir), `--config=${config}`]
          .concat(entryFiles(functionsDir)),
        { env: { ...process.env, DENO_DIR: cacheDir } },
      );
      writeFileSync(stamp, wanted);
    },
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
  const name = `linux-${process.arch}-glibc`;
  return join(checkoutDir, "node_modules", "@deno", name, "deno");
}
