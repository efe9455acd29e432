import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { admin } from "../support/db.ts";
import { callFunction, callRpc, type Reply } from "../support/http.ts";
import { expectError } from "../support/replies.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  type Owner,
  reset,
} from "../support/world.ts";

const Token = z.string().regex(/^tq_[0-9a-f]{64}$/);
const ListedTokens = z.array(z.object({ id: z.guid(), label: z.string() }));

let owner: Owner;
let jwt: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  jwt = await userJwt(owner.id);
});

describe("create_api_token through the Data API", () => {
  it("makes a token that claims at once, for its owner only", async () => {
    const foreign = await createTask(await createOwner());
    const own = await createTask(owner);
    const token = await create({ p_label: "My machine" });
    const claimed = await claim(token);
    expect(claimed.status, claimed.text).toBe(200);
    expect(claimed.json).toMatchObject({ task_id: own });
    expect((await claim(token, "second")).status).toBe(204);
    const [task] = await admin()`
      select status from public.tasks where id = ${foreign}
    `;
    expect(task).toEqual({ status: "Queued" });
  });

  it("makes one that ends when it was told to", async () => {
    const p_expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const token = await create({ p_expires_at });
    expect((await claim(token)).status).toBe(204);
    await admin()`
      update public.user_api_tokens set expires_at = fairlane_core.now()
    `;
    expectError(await claim(token), "UNKNOWN_TOKEN");
  });

  it("shows the token once; afterwards not even its hash", async () => {
    const token = await create({ p_label: "My machine" });
    const listed = await rest("GET", "user_api_tokens", {
      select: "id,label,token_prefix",
    }, { key: jwt });
    expect(listed.json).toMatchObject([{
      label: "My machine",
      token_prefix: token.slice(0, 8),
    }]);
    const hashes = await rest("GET", "user_api_tokens", {
      select: "token_hash",
    }, { key: jwt });
    expect(hashes.status).toBeGreaterThanOrEqual(400);
  });

  it.each([
    ["anon", () => stack().anonKey],
    ["the publishable key", () => stack().publishableKey],
    ["the service key", () => stack().serviceRoleKey],
  ])("is not for %s", async (_who, key) => {
    const made = await callRpc("create_api_token", {}, {
      headers: { apikey: stack().publishableKey },
      ...(key().startsWith("sb_") ? {} : { key: key() }),
    });
    expect(made.status).toBeGreaterThanOrEqual(400);
    expect(made.status).toBeLessThan(500);
    expect(made.json).toMatchObject({ code: "42501" });
    expect(await admin()`select from public.user_api_tokens`).toHaveLength(0);
  });

  it("refuses the twenty-first, and an end that has passed", async () => {
    const late = await callRpc("create_api_token", {
      p_expires_at: "2025-08-12T15:06:09Z",
    }, { key: jwt });
    expect(late.status).toBe(400);
    expect(late.json).toMatchObject({ details: "INVALID_ARGUMENT" });
    for (let made = 0; made < 20; made++) await create();
    const refused = await callRpc("create_api_token", {}, { key: jwt });
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({ details: "TOO_MANY_TOKENS" });
  });
});

describe("revoke_api_token through the Data API", () => {
  it("ends a token at its next call", async () => {
    await createTask(owner);
    const token = await create();
    expect((await claim(token)).status).toBe(200);
    expect((await revoke(await onlyTokenId())).json).toBe(true);
    expectError(await claim(token), "UNKNOWN_TOKEN");
    const counts = await callFunction("task-counts", {}, { key: token });
    expectError(counts, "UNKNOWN_TOKEN");
    expect((await revoke(await onlyTokenId())).json).toBe(false);
  });

  it("leaves the tokens of others alone", async () => {
    const token = await create();
    const stranger = await userJwt((await createOwner()).id);
    expect((await revoke(await onlyTokenId(), stranger)).json).toBe(false);
    expect((await claim(token)).status).toBe(204);
  });

  it.each([
    ["anon", () => stack().anonKey],
    ["the service key", () => stack().serviceRoleKey],
  ])("is not for %s", async (_who, key) => {
    const token = await create();
    const revoked = await revoke(await onlyTokenId(), key());
    expect(revoked.json).toMatchObject({ code: "42501" });
    expect((await claim(token)).status).toBe(204);
  });
});

async function create(args: Record<string, string> = {}): Promise<string> {
  const reply = await callRpc("create_api_token", args, { key: jwt });
  expect(reply.status, reply.text).toBe(200);
  return Token.parse(reply.json);
}

function revoke(p_token_id: string, key = jwt): Promise<Reply> {
  return callRpc("revoke_api_token", { p_token_id }, { key });
}

/** The id of the owner's one token, as the owner reads it. */
async function onlyTokenId(): Promise<string> {
  const query = { select: "id,label" };
  const reply = await rest("GET", "user_api_tokens", query, { key: jwt });
  const [token] = ListedTokens.length(1).parse(reply.json);
  return token?.id ?? "";
}

function claim(key: string, worker_id = "my-machine"): Promise<Reply> {
  return callFunction("claim-next-task", { worker_id }, { key });
}
