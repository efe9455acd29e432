import type { StackAddresses } from "./stack-addresses.ts";
import { jwks } from "./keys.ts";

/**
 * The environment that the hosted platform gives to every function, the schema
 * of the API, and `more`.
 * QueueError when one value is a public and a secret key: the functions would not
 * come up, and the gateway would take everybody for the service.
 */
export function functionEnvironment(
  addresses: StackAddresses,
  more: Record<string, string> = {},
): Record<string, string> {
  const env = {
    SUPABASE_URL: addresses.apiUrl,
    SUPABASE_DB_URL: addresses.dbUrl,
    SUPABASE_ANON_KEY: addresses.anonKey,
    SUPABASE_SERVICE_ROLE_KEY: addresses.serviceRoleKey,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({
      default: addresses.publishableKey,
    }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: addresses.secretKey }),
    SUPABASE_JWKS: JSON.stringify(jwks),
    // The router's own; the schema of the fleet profile.
    FAIRLANE_SCHEMA: "public",
    // Who looks right after a change, by hand or in a test, is to see it.
    FAIRLANE_SHARED_MS: "0",
    SB_REGION: "local",
    ...more,
  };
  if (keysOf(env, PUBLIC).some((key) => keysOf(env, SECRET).includes(key))) {
    throw new Error(
      `${PUBLIC.join(" or ")} holds a value of ${SECRET.join(" or ")}`,
    );
  }
  return env;
}

const PUBLIC = ["SUPABASE_ANON_KEY", "SUPABASE_PUBLISHABLE_KEYS"] as const;
const SECRET = ["SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEYS"] as const;

/** The keys in these variables, of which one is a text and one a JSON object. */
function keysOf(
  env: Readonly<Record<string, string>>,
  [text, json]: readonly [string, string],
): unknown[] {
  return [env[text], ...Object.values(JSON.parse(env[json] || "{}"))];
}
