import {
  anonKey,
  jwtSecret,
  publishableKey,
  secretKey,
  serviceRoleKey,
} from "./keys.ts";

/** Where a stack listens and the keys it takes. */
export interface StackAddresses {
  apiUrl: string;
  functionsUrl: string;
  /** As `postgres`, the role that migrations run as. */
  dbUrl: string;
  /** As the superuser. */
  adminDbUrl: string;
  anonKey: string;
  serviceRoleKey: string;
  publishableKey: string;
  secretKey: string;
  jwtSecret: string;
}

/** The addresses that follow from the two ports. */
export function stackAddresses(
  apiPort: number,
  dbPort: number,
): StackAddresses {
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  return {
    apiUrl,
    functionsUrl: `${apiUrl}/functions/v1`,
    dbUrl: databaseUrl("postgres", dbPort),
    adminDbUrl: databaseUrl("supabase_admin", dbPort),
    anonKey,
    serviceRoleKey,
    publishableKey,
    secretKey,
    jwtSecret,
  };
}

/** URL of the local database; the password of every role is the same. */
export function databaseUrl(role: string, port: number): string {
  return `postgresql://${role}:postgres@127.0.0.1:${port}/postgres`;
}
