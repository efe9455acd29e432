import { build } from "esbuild";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import type { Manifest, PackagedMigration } from "../../cli/package.ts";
import { runOrThrow } from "../../stack/run.ts";
import { guestMigration } from "../migrations/guest.ts";
import { filesOf, OF_GUESTS } from "../migrations/unreleased.ts";
import { versionOf } from "../migrations/version.ts";

/** Newer than what runs the checkout: what users run is promised less. */
const NODE = "node20.12";

/** What programs may import. */
const CLIENT = ["worker.ts", "queue-client.ts"];

/** What `0001` does; of later ones it is in their first line. */
const FIRST = "adds the schemas fairlane and fairlane_core, and nothing else";

/** Those that guests get, with their texts: until 1.0.0 is out only one, as the schema files are now. */
function migrationsOf(
  root: string,
): (PackagedMigration & { readonly text: string })[] {
  const released = filesOf(root, OF_GUESTS).map((file) => {
    const text = readFileSync(join(root, OF_GUESTS.dir, file), "utf8");
    const [, number = "", name = ""] = /^(\d+)_(.*)\.sql$/.exec(file) ?? [];
    return {
      number,
      name,
      effect: /^-- What: (.*?)\.?$/m.exec(text)?.[1] ?? FIRST,
      text,
    };
  });
  return released.length > 0 ? released : [{
    number: "0001",
    name: "schema",
    effect: FIRST,
    text: guestMigration(root),
  }];
}

/** Builds what is published, as a folder that `npm pack` takes as it is. */
export async function buildPackage(root: string, to: string): Promise<void> {
  rmSync(to, { recursive: true, force: true });
  const version = versionOf(root);
  const write = (path: string, text: string) => {
    const whole = join(to, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
  };

  const migrations = migrationsOf(root);
  for (const { number, text } of migrations) {
    write(`assets/migrations/${number}.sql`, text);
  }
  for (const extra of ["jobs.sql", "bucket.sql"]) {
    write(
      `assets/migrations/${extra}`,
      readFileSync(join(root, OF_GUESTS.dir, extra), "utf8"),
    );
  }
  write(
    "assets/manifest.json",
    JSON.stringify(
      {
        version,
        migrations: migrations.map(({ text: _, ...known }) => known),
      } satisfies Manifest,
      null,
      2,
    ),
  );

  await bundleCommand(root, join(to, "bin", "fairlane.js"));
  const functions = join(root, "supabase", "functions");
  const { imports } = JSON.parse(
    readFileSync(join(functions, "deno.json"), "utf8"),
  );
  await bundleFunction(functions, join(to, "assets", "function", "index.js"), {
    version,
    external: Object.keys(imports),
  });
  write(
    "assets/function/deno.json",
    `${JSON.stringify({ imports }, null, 2)}\n`,
  );
  copyFileSync(
    join(functions, "deno.lock"),
    join(to, "assets", "function", "deno.lock"),
  );

  for (const name of ["worker.py", "worker.ts", "env.example"]) {
    write(
      `assets/worker/${name}`,
      readFileSync(join(root, "cli", "assets", name), "utf8"),
    );
  }
  await bundleClient(root, join(to, "client"));
  await writeTypes(root, join(to, "types"));
  for (const name of ["LICENSE", "NOTICE"]) {
    copyFileSync(join(root, name), join(to, name));
  }
  write("README.md", readFileSync(join(root, "docs", "adopt.md"), "utf8"));
  write(
    "package.json",
    `${JSON.stringify(packageJson(root, version), null, 2)}\n`,
  );
}

function packageJson(root: string, version: string): object {
  const { name, description, license, devDependencies } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  );
  return {
    ...{ name, version, description, license, type: "module" },
    bin: { fairlane: "bin/fairlane.js" },
    exports: {
      "./worker": {
        types: "./types/client/worker.d.ts",
        default: "./client/worker.js",
      },
      "./client": {
        types: "./types/client/queue-client.d.ts",
        default: "./client/queue-client.js",
      },
    },
    // The types of requests and replies are made of zod's; the code brings its own.
    peerDependencies: { zod: `^${devDependencies.zod}` },
    peerDependenciesMeta: { zod: { optional: true } },
    engines: { node: ">=20.12" },
  };
}

/** The command with all that it imports: it works without a network. */
async function bundleCommand(root: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [join(root, "cli", "fairlane.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: NODE,
    logLevel: "error",
    // Commander is CommonJS and asks for node's own modules by require.
    banner: {
      js:
        'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);',
    },
  });
}

async function bundleFunction(
  functions: string,
  outfile: string,
  { version, external }: { version: string; external: string[] },
): Promise<void> {
  await build({
    entryPoints: [join(functions, "fairlane", "index.ts")],
    outfile,
    bundle: true,
    platform: "neutral",
    format: "esm",
    target: "esnext",
    external: [...external, "node:*"],
    logLevel: "error",
    banner: {
      js:
        `// Fairlane ${version}, written by \`fairlane init\`. Do not edit: \`fairlane upgrade\` replaces it.`,
    },
  });
}

async function bundleClient(root: string, outdir: string): Promise<void> {
  const client = join(root, "shared", "client");
  await build({
    entryPoints: CLIENT.map((name) => join(client, name)),
    outdir,
    bundle: true,
    splitting: true,
    platform: "neutral",
    format: "esm",
    target: "es2022",
    external: ["node:*"],
    logLevel: "error",
  });
}

/** The declarations of the client, which name each other as Node would. */
async function writeTypes(root: string, to: string): Promise<void> {
  await runOrThrow("tsc", process.execPath, [
    join(root, "node_modules", "typescript", "bin", "tsc"),
    ...CLIENT.map((name) => join(root, "shared", "client", name)),
    ...["--declaration", "--emitDeclarationOnly", "--outDir", to],
    ...["--target", "es2022", "--module", "esnext", "--types", "node"],
    ...["--moduleResolution", "bundler", "--allowImportingTsExtensions"],
    ...["--strict", "--skipLibCheck", "--exactOptionalPropertyTypes"],
  ], { cwd: root });
  for (const name of readdirSync(to, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".d.ts")) continue;
    const file = join(to, name);
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace(/(from "\.{1,2}\/[^"]+)\.ts"/g, '$1.js"'));
  }
}
