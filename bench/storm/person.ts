import { createHash, randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import type { Sql } from "postgres";
import type { StackAddresses } from "../../stack/stack-addresses.ts";

/** A user of the storm: signed in, with a project and a machine of their own. */
export interface Person {
  readonly id: string;
  readonly projectId: string;
  readonly jwt: string;
  readonly token: string;
}

/** New users with credits, each with one project and one token. */
export async function makePeople(
  admin: Sql,
  stack: StackAddresses,
  count: number,
): Promise<Person[]> {
  const people = await Promise.all(
    Array.from({ length: count }, async (): Promise<Person> => {
      const id = randomUUID();
      const token = `tq_${randomUUID()}${randomUUID()}`.replaceAll("-", "");
      return { id, projectId: id, token, jwt: await signIn(stack, id) };
    }),
  );
  await admin`
    insert into public.users (id, credits)
    select p.id::uuid, 1000 from jsonb_to_recordset(${
    json(people)
  }::text::jsonb) as p (id text)`;
  await admin`
    insert into public.projects (id, user_id, name)
    select p.id::uuid, p.id::uuid, 'A project of the storm'
    from jsonb_to_recordset(${json(people)}::text::jsonb) as p (id text)`;
  await admin`
    insert into public.user_api_tokens (user_id, label, token_hash, token_prefix)
    select p.id::uuid, 'A machine of the storm', p.hash, left(p.hash, 8)
    from jsonb_to_recordset(${
    json(people.map(({ id, token }) => ({ id, hash: sha256(token) })))
  }::text::jsonb) as p (id text, hash text)`;
  return people;
}

/** The JWT that the platform gives to a user who signs in. */
function signIn(stack: StackAddresses, userId: string): Promise<string> {
  return new SignJWT({ role: "authenticated", sub: userId })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer("supabase-demo")
    .setAudience("authenticated")
    .setIssuedAt()
    .setExpirationTime("2h")
    .sign(new TextEncoder().encode(stack.jwtSecret));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
