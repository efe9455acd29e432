import { Buffer } from "node:buffer";
import { z } from "zod";

/** Reads one variable; the entry files pass the runtime's own reader. */
export type ReadEnv = (name: string) => string | undefined;

const NAMES = [
  "SUPABASE_URL",
  "SUPABASE_ANON_KEY",
  "SUPABASE_SERVICE_ROLE_KEY",
  "SUPABASE_PUBLISHABLE_KEYS",
  "SUPABASE_SECRET_KEYS",
  "SUPABASE_JWKS",
  "JWT_SECRET",
  "PUBLIC_URL",
  "FAIRLANE_SHARED_MS",
] as const;

function json<T extends z.ZodType>(schema: T) {
  return z.string().transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: "custom", message: "must be JSON" });
      return z.NEVER;
    }
  }).pipe(schema);
}

/** Name of a key -> its value; a blank value is no key. */
const Keys = z.record(z.string(), z.string()).transform((keys) =>
  Object.fromEntries(
    Object.entries(keys)
      .map(([name, key]): [string, string] => [name, key.trim()])
      .filter(([, key]) => key !== ""),
  )
);
const BaseUrl = z.url({ protocol: /^https?$/ })
  .transform((url) => url.replace(/\/+$/, ""));
const Jwk = z.looseObject({ kty: z.string() });
const Jwks = z.union([
  z.looseObject({ keys: z.array(Jwk) }),
  z.array(Jwk).transform((keys) => ({ keys })),
]);

const Variables = z.object({
  SUPABASE_URL: BaseUrl,
  SUPABASE_ANON_KEY: z.string().optional(),
  SUPABASE_SERVICE_ROLE_KEY: z.string().optional(),
  SUPABASE_PUBLISHABLE_KEYS: json(Keys).default({}),
  SUPABASE_SECRET_KEYS: json(Keys).default({}),
  // Only users' JWTs need it, so an unreadable one must not stop the workers.
  SUPABASE_JWKS: json(Jwks).catch({ keys: [] }),
  JWT_SECRET: z.string().optional(),
  PUBLIC_URL: BaseUrl.optional(),
  FAIRLANE_SHARED_MS: z.coerce.number().int().min(0).max(60_000)
    .default(1_000),
});

/** What the functions take from their environment. */
export interface Env {
  readonly supabaseUrl: string;
  /** The same project as others reach it; differs when self-hosted. */
  readonly publicUrl: string;
  /** The key our own calls to the database carry. */
  readonly databaseKey: string;
  readonly serviceKeys: readonly string[];
  readonly publicKeys: readonly string[];
  readonly jwks: z.infer<typeof Jwks>;
  readonly jwtSecret: string | undefined;
  /** For how long one answer serves all who ask the same; 0 = never. */
  readonly sharedMs: number;
}

/**
 * The environment, checked once at the start. A function that could not work
 * must not come up at all; values are never part of the message.
 */
export function readEnv(read: ReadEnv): Env {
  const given = NAMES.map((name) => [name, read(name)?.trim() || undefined]);
  const parsed = Variables.safeParse(Object.fromEntries(given));
  if (!parsed.success) {
    const names = parsed.error.issues.map((issue) => issue.path[0]);
    throw new Error(`Set these variables correctly: ${names.join(", ")}`);
  }
  const env = parsed.data;
  const serviceKeys = present([
    env.SUPABASE_SECRET_KEYS["default"],
    ...Object.values(env.SUPABASE_SECRET_KEYS),
    env.SUPABASE_SERVICE_ROLE_KEY,
  ]);
  const [databaseKey] = serviceKeys;
  if (databaseKey === undefined) {
    throw new Error(
      "Set SUPABASE_SECRET_KEYS or SUPABASE_SERVICE_ROLE_KEY: both are empty",
    );
  }
  const publicKeys = present([
    ...Object.values(env.SUPABASE_PUBLISHABLE_KEYS),
    env.SUPABASE_ANON_KEY,
  ]);
  assertSecret(publicKeys, serviceKeys, env.JWT_SECRET);
  return {
    supabaseUrl: env.SUPABASE_URL,
    publicUrl: env.PUBLIC_URL ?? env.SUPABASE_URL,
    databaseKey,
    serviceKeys,
    publicKeys,
    jwks: env.SUPABASE_JWKS,
    jwtSecret: env.JWT_SECRET,
    sharedMs: env.FAIRLANE_SHARED_MS,
  };
}

/**
 * Public keys must open nothing, and ours must open what our calls need: a key
 * that is both public and secret would make everybody the service, and a public
 * key as the service key would let every call fail after a good start.
 */
function assertSecret(
  publicKeys: readonly string[],
  serviceKeys: readonly string[],
  jwtSecret: string | undefined,
): void {
  if (publicKeys.some((key) => serviceKeys.includes(key))) {
    throw new Error(
      "The same value is an anon or publishable key and a service or secret key: " +
        "give SUPABASE_ANON_KEY, SUPABASE_PUBLISHABLE_KEYS and " +
        "SUPABASE_SERVICE_ROLE_KEY, SUPABASE_SECRET_KEYS values of their own",
    );
  }
  if (publicKeys.some(isSecret)) {
    throw new Error(
      "SUPABASE_ANON_KEY or SUPABASE_PUBLISHABLE_KEYS holds no anon or " +
        "publishable key but a service or secret key: they may be swapped",
    );
  }
  if (serviceKeys.some((key) => /^bearer\s/i.test(key))) {
    throw new Error(
      "SUPABASE_SERVICE_ROLE_KEY or SUPABASE_SECRET_KEYS begins with Bearer: " +
        "give the key alone",
    );
  }
  if (serviceKeys.some(isNoServiceKey)) {
    throw new Error(
      "SUPABASE_SERVICE_ROLE_KEY or SUPABASE_SECRET_KEYS holds no service or " +
        "secret key but an anon or publishable key, or a JWT whose role is not " +
        "service_role",
    );
  }
  if (jwtSecret !== undefined && publicKeys.includes(jwtSecret)) {
    throw new Error(
      "JWT_SECRET is also an anon or publishable key: everybody could sign users",
    );
  }
}

function isSecret(key: string): boolean {
  return key.startsWith("sb_secret_") || claims(key)?.role === "service_role";
}

/** A key of an unknown form may be anything; the platform decides. */
function isNoServiceKey(key: string): boolean {
  const payload = claims(key);
  return key.startsWith("sb_publishable_") ||
    payload !== null && payload.role !== "service_role";
}

const Claims = z.object({ role: z.unknown().optional() });

/** The claims of a JWT, not verified; null for anything else. */
function claims(key: string): z.infer<typeof Claims> | null {
  const [, payload, signature, ...more] = key.split(".");
  if (!payload || !signature || more.length > 0) return null;
  try {
    const text = Buffer.from(payload, "base64url").toString("utf8");
    return Claims.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function present(keys: readonly (string | undefined)[]): string[] {
  return [...new Set(keys.filter((key) => key !== undefined))];
}
