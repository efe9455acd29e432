import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "smol-toml";
import { z } from "zod";

/** The part of config.toml that PostgREST needs. */
export interface ApiConfig {
  schemas: string[];
  extraSearchPath: string[];
  maxRows: number;
  exposeNewTables: boolean;
}

/** One function as config.toml describes it, paths made absolute. */
export interface FunctionConfig {
  name: string;
  verifyJwt: boolean;
  entrypoint: string;
  denoConfig: string | undefined;
}

/** What the local stack reads from config.toml. */
export interface SupabaseConfig {
  api: ApiConfig;
  functions: Map<string, FunctionConfig>;
}

// The defaults are the Supabase CLI's.
const configFile = z.object({
  api: z.object({
    schemas: z.array(z.string()).default(["public", "graphql_public"]),
    extra_search_path: z.array(z.string()).default(["public", "extensions"]),
    max_rows: z.number().int().positive().default(1000),
    auto_expose_new_tables: z.boolean().default(true),
  }).prefault({}),
  functions: z.record(
    z.string(),
    z.object({
      enabled: z.boolean().default(true),
      verify_jwt: z.boolean().default(true),
      import_map: z.string().optional(),
      entrypoint: z.string().optional(),
    }),
  ).default({}),
});

/** Reads config.toml and the function folders beside it. */
export function readSupabaseConfig(supabaseDir: string): SupabaseConfig {
  const path = join(supabaseDir, "config.toml");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const parsed = configFile.safeParse(parse(text));
  if (!parsed.success) {
    throw new Error(`${path} is not valid: ${z.prettifyError(parsed.error)}`);
  }
  const { api, functions } = parsed.data;
  const names = new Set([
    ...functionFolders(join(supabaseDir, "functions")),
    ...Object.keys(functions),
  ]);
  const enabled = [...names].filter((name) =>
    functions[name]?.enabled !== false
  );
  return {
    api: {
      schemas: api.schemas,
      extraSearchPath: api.extra_search_path,
      maxRows: api.max_rows,
      exposeNewTables: api.auto_expose_new_tables,
    },
    functions: new Map(enabled.map((name) => {
      const given = functions[name];
      const entrypoint = given?.entrypoint ?? `./functions/${name}/index.ts`;
      const denoConfig = given?.import_map ?? ownDenoConfig(supabaseDir, name);
      return [name, {
        name,
        verifyJwt: given?.verify_jwt ?? true,
        entrypoint: resolve(supabaseDir, entrypoint),
        denoConfig: denoConfig ? resolve(supabaseDir, denoConfig) : undefined,
      }];
    })),
  };
}

function functionFolders(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^[_.]/.test(entry.name))
    .filter((entry) => existsSync(join(dir, entry.name, "index.ts")))
    .map((entry) => entry.name);
}

function ownDenoConfig(supabaseDir: string, name: string): string | undefined {
  return [`./functions/${name}/deno.json`, "./functions/deno.json"]
    .find((path) => existsSync(resolve(supabaseDir, path)));
}
