import type { StackAddresses } from "./stack-addresses.ts";
import { jwks } from "./keys.ts";

/** The environment that the hosted platform gives to every function. */
export function functionEnvironment(
  addresses: StackAddresses,
): Record<string, string> {
  return {
    SUPABASE_URL: addresses.apiUrl,
    SUPABASE_DB_URL: addresses.dbUrl,
    SUPABASE_ANON_KEY: addresses.anonKey,
    SUPABASE_SERVICE_ROLE_KEY: addresses.serviceRoleKey,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({
      default: addresses.publishableKey,
    }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: addresses.secretKey }),
    SUPABASE_JWKS: JSON.stringify(jwks),
    SB_REGION: "local",
  };
}
