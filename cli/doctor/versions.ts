import { isOlderThan } from "../../shared/version.ts";
import type { Finding } from "../finding.ts";

/** What to do about a database with another version of the queue than this package. */
export function findingsOfSchemaVersion(
  schema: string,
  version: string,
): Finding[] {
  return compared("schema-too-old", "The schema in the database", {
    found: schema,
    version,
    remedy: "npx fairlane upgrade, then npx supabase db push --remote",
  });
}

/** The same of a function; `what` says of which one. */
export function findingsOfFunctionVersion(
  what: string,
  found: string,
  version: string,
): Finding[] {
  return compared("function-too-old", what, {
    found,
    version,
    remedy:
      "npx fairlane upgrade, then npx supabase functions deploy fairlane --use-api",
  });
}

interface Versions {
  readonly found: string;
  /** That of the package. */
  readonly version: string;
  /** When the found one is older. */
  readonly remedy: string;
}

function compared(
  code: string,
  what: string,
  { found, version, remedy }: Versions,
): Finding[] {
  const said = `${what} has version ${found}, this package is ${version}`;
  if (isOlderThan(found, version)) {
    return [{ code, severity: "warning", what: said, remedy }];
  }
  return isOlderThan(version, found)
    ? [{
      code: "package-too-old",
      severity: "warning",
      what: said,
      remedy: "Install the newer package, the one that was used last",
    }]
    : [];
}
