import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Package } from "./package.ts";

/** A package whose files say what they are. */
export function packageOf(
  home: string,
  version: string,
  numbers: readonly string[],
): Package {
  const assets = join(home, version);
  const migrations = numbers.map((number) => ({
    ...{ number, name: "part", effect: "adds a part" },
  }));
  const texts: Record<string, string> = {
    "manifest.json": JSON.stringify({ version, migrations }),
  };
  for (const name of [...numbers, "jobs", "bucket"]) {
    texts[`migrations/${name}.sql`] = `-- ${name}`;
  }
  for (const name of ["index.js", "deno.json", "deno.lock"]) {
    texts[`function/${name}`] =
      `// Fairlane ${version}, written by \`fairlane init\`: ${name}`;
  }
  for (const name of ["worker.py", "worker.ts", "env.example"]) {
    texts[`worker/${name}`] = name;
  }
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(assets, path)), { recursive: true });
    writeFileSync(join(assets, path), text);
  }
  return new Package(assets);
}
