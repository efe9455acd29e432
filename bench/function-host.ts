import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { functionEnvironment } from "../stack/function-env.ts";
import { startFunction } from "../stack/function-process.ts";
import { denoCacheDir, denoProgram } from "../stack/paths.ts";
import type { StackAddresses } from "../stack/stack-addresses.ts";

const dir = fileURLToPath(new URL("./functions", import.meta.url));
const denoConfig = join(dir, "deno.json");

/** A function of the bench, running beside the stack. */
export interface BenchFunction {
  name: string;
  url: string;
  stop(): Promise<void>;
}

/**
 * Starts every function in functions/. Their files are .mts, which Deno runs and
 * the Node project, which knows nothing of Deno's imports, does not check.
 */
export async function startBenchFunctions(
  addresses: StackAddresses,
): Promise<BenchFunction[]> {
  const files = readdirSync(dir).filter((name) => name.endsWith(".mts")).sort();
  await fetchModules(files);
  return await Promise.all(files.map(async (file) => {
    const name = file.replace(".mts", "");
    const config = {
      name,
      verifyJwt: false,
      entrypoint: join(dir, file),
      denoConfig,
    };
    const env = functionEnvironment(addresses);
    const started = startFunction(config, env, (line) => console.log(line));
    const port = await started.port;
    const stop = () => started.stop();
    return { name, url: `http://127.0.0.1:${port}/${name}`, stop };
  }));
}

/** The stack lets functions run from Deno's cache only. */
async function fetchModules(files: string[]): Promise<void> {
  const paths = files.map((file) => join(dir, file));
  await promisify(execFile)(
    denoProgram(),
    ["cache", "--quiet", "--no-lock", `--config=${denoConfig}`, ...paths],
    { env: { ...process.env, DENO_DIR: denoCacheDir } },
  );
}
