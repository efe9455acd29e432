import { expect, test } from "vitest";
import { functionEnvironment } from "./function-env.ts";
import { stackAddresses } from "./stack-addresses.ts";

const addresses = stackAddresses(54321, 54322);

test("functionEnvironment() adds what it is told to", () => {
  expect(functionEnvironment(addresses, { GREETING: "hello" }))
    .toMatchObject({ GREETING: "hello", SUPABASE_URL: addresses.apiUrl });
});

test.each([
  { SUPABASE_ANON_KEY: addresses.serviceRoleKey },
  { SUPABASE_ANON_KEY: addresses.secretKey },
  { SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ web: addresses.secretKey }) },
  { SUPABASE_SERVICE_ROLE_KEY: addresses.anonKey },
])("functionEnvironment() refuses a public key that is secret", (more) => {
  expect(() => functionEnvironment(addresses, more)).toThrow(
    "SUPABASE_ANON_KEY or SUPABASE_PUBLISHABLE_KEYS holds a value of",
  );
});
