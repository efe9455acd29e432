/** The version of this code, from package.json by `npm run migrations`. */
export const VERSION: string = "0.1.0";

/** Whether a database of version `schema` lacks what this code may call. */
export function isOlderThan(schema: string, version = VERSION): boolean {
  const parts = (text: string) => text.split(".").map(Number);
  const [wanted, found] = [parts(version), parts(schema)];
  const at = wanted.findIndex((part, i) => part !== found[i]);
  return (found[at] ?? 0) < (wanted[at] ?? 0);
}
