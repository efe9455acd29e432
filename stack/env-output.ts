import type { StackAddresses } from "./stack-addresses.ts";

/** The addresses under the names that `supabase status -o env` prints. */
export function namedAddresses(
  addresses: StackAddresses,
): Record<string, string> {
  return {
    API_URL: addresses.apiUrl,
    FUNCTIONS_URL: addresses.functionsUrl,
    DB_URL: addresses.dbUrl,
    PUBLISHABLE_KEY: addresses.publishableKey,
    SECRET_KEY: addresses.secretKey,
    JWT_SECRET: addresses.jwtSecret,
    ANON_KEY: addresses.anonKey,
    SERVICE_ROLE_KEY: addresses.serviceRoleKey,
  };
}

/** Lines that a shell can `eval` and a dotenv reader can read. */
export function envLines(addresses: StackAddresses): string {
  return Object.entries(namedAddresses(addresses))
    .map(([name, value]) => `${name}="${value}"\n`)
    .join("");
}
