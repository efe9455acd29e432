import type { CheckoutContext } from "./step.ts";

/** Where the types of the API's tables and functions are kept. */
export const TYPES_FILE = "shared/database.types.ts";

/** The types as they follow from the database, formatted. */
export async function generateTypes(
  { run }: Pick<CheckoutContext, "run">,
  dbUrl: string,
): Promise<string> {
  const generated = await run("supabase", [
    ...["gen", "types", "--lang", "typescript", "--schema", "public"],
    `--remote=${dbUrl}?sslmode=disable`,
  ]);
  if (!generated.ok) {
    throw new Error(`supabase gen types failed:\n${generated.output}`);
  }
  const formatted = await run("deno", ["fmt", "--ext=ts", "-"], {
    input: generated.stdout,
  });
  if (!formatted.ok) throw new Error(`deno fmt failed:\n${formatted.output}`);
  return formatted.stdout;
}
