import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import type { Finding } from "../finding.ts";

/** What is read of `config.toml`; a part that looks otherwise counts as not there. */
const Config = z.object({
  api: z.object({ schemas: z.array(z.string()) }).optional().catch(undefined),
  functions: z.object({
    fairlane: z.record(z.string(), z.unknown()).optional(),
  }).optional().catch(undefined),
});

/** Where the function is, as `fairlane init` writes it. */
const PATHS = {
  entrypoint: "./functions/fairlane/index.js",
  import_map: "./functions/fairlane/deno.json",
} as const;

/** Looks at `supabase/config.toml`: whether the function is deployed as it must be, and what is exposed. */
export function examineConfig(
  text: string | undefined,
  isInstalled: boolean,
): Finding[] {
  let config: z.infer<typeof Config>;
  try {
    config = Config.parse(parse(text ?? ""));
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return [{
      code: "config-unreadable",
      severity: "error",
      // Not the lines of the file, which the message ends with: it may hold secrets.
      what:
        `supabase/config.toml is not valid TOML: line ${error.line}, column ${error.column}`,
      remedy: "Correct that line; the Supabase CLI does not read it either",
    }];
  }
  return [
    ...isInstalled ? examineBlock(config.functions?.fairlane) : [],
    ...examineSchemas(config.api?.schemas ?? []),
  ];
}

function examineBlock(
  block: Readonly<Record<string, unknown>> | undefined,
): Finding[] {
  if (block === undefined) {
    return [{
      code: "config-block-missing",
      severity: "warning",
      what:
        "supabase/config.toml has no block [functions.fairlane]: the next deployment would refuse tokens of workers",
      remedy: "npx fairlane upgrade",
    }];
  }
  const findings: Finding[] = [];
  if (block["verify_jwt"] !== false) {
    findings.push({
      code: "verify-jwt-on",
      severity: "error",
      what:
        "verify_jwt is not false in [functions.fairlane]: the platform refuses keys and tokens that are no JWTs before the function sees them",
      remedy:
        "Write verify_jwt = false there, then npx supabase functions deploy fairlane --use-api",
    });
  }
  if (block["enabled"] === false) {
    findings.push({
      code: "function-disabled",
      severity: "error",
      what:
        "enabled is false in [functions.fairlane]: the function is not deployed",
      remedy: "Write enabled = true there",
    });
  }
  for (const [key, path] of Object.entries(PATHS)) {
    if (block[key] === path) continue;
    findings.push({
      code: "config-block-differs",
      severity: "warning",
      what: `${key} in [functions.fairlane] is not "${path}"`,
      remedy: `Write ${key} = "${path}" there, unless you moved the function`,
    });
  }
  return findings;
}

function examineSchemas(schemas: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  if (schemas.includes("fairlane_core")) {
    findings.push({
      code: "core-exposed",
      severity: "error",
      what:
        "[api] schemas exposes fairlane_core: its functions are not meant to be called from outside",
      remedy:
        "Take it out of the list, and out of the exposed schemas of the hosted project",
    });
  }
  if (schemas.includes("fairlane")) {
    findings.push({
      code: "schema-exposed",
      severity: "note",
      what:
        "[api] schemas exposes fairlane: users may read their own tasks over the Data API",
      remedy: "Nothing, if that is intended; the function does not need it",
    });
  }
  return findings;
}
