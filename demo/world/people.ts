import type postgres from "postgres";
import { z } from "zod";
import { signJwt } from "../../stack/keys.ts";
import type { StackAddresses } from "../../stack/stack-addresses.ts";

/** A user of the demo. */
export interface Person {
  readonly name: string;
  /** How many slots: `users.max_in_progress`. */
  readonly limit: number;
  readonly userId: string;
  readonly projectId: string;
  /** What the web app sends after the user has signed in. */
  readonly jwt: string;
}

const NAMES = ["Dana", "Robin", "Kim", "Alex", "Noor", "Lee", "Max", "Jo"]
  .concat("Ines", "Tove", "Sam", "Uma");

// Small enough to be reached, also by Dana, who enqueues most.
const LIMITS = [4, 2, 2, 2];

/**
 * Makes users with a project each. They come from the platform's sign-up, which
 * the queue does not have, so their rows are inserted.
 */
export async function invitePeople(
  sql: postgres.Sql,
  count: number,
): Promise<Person[]> {
  const people: Person[] = [];
  for (const [index, name] of NAMES.slice(0, count).entries()) {
    const limit = LIMITS[index % LIMITS.length] ?? 1;
    const [row] = await sql<{ userId: string; projectId: string }[]>`
      with person as (
        insert into public.users (id, credits, max_in_progress)
        values (gen_random_uuid(), 100, ${limit})
        returning id
      )
      insert into public.projects (user_id, name)
      select id, ${`Project of ${name}`} from person
      returning user_id as "userId", id as "projectId"
    `;
    if (row === undefined) throw new Error(`No row was made for ${name}`);
    people.push({ name, limit, ...row, jwt: signedIn(row.userId) });
  }
  return people;
}

/** A personal access token, made as a user makes one: through the Data API. */
export async function createToken(
  stack: StackAddresses,
  { jwt, name }: Person,
): Promise<string> {
  const reply = await fetch(`${stack.apiUrl}/rest/v1/rpc/create_api_token`, {
    method: "POST",
    headers: {
      apikey: stack.publishableKey,
      authorization: `Bearer ${jwt}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ p_label: `machine of ${name}` }),
    signal: AbortSignal.timeout(30_000),
  });
  if (!reply.ok) throw new Error(`No token for ${name}: ${await reply.text()}`);
  return z.string().parse(await reply.json());
}

function signedIn(userId: string): string {
  return signJwt({
    role: "authenticated",
    sub: userId,
    aud: "authenticated",
    exp: Math.floor(Date.now() / 1000) + 24 * 3600,
  });
}
