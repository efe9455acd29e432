import { describe, expect, test } from "vitest";
import { repeatingClaim } from "./claims.ts";
import { NoResponseError, UnexpectedReply } from "./errors.ts";
import { createQueueClient } from "./queue-client.ts";
import {
  type FakeRuntime,
  fakeRuntime,
  LOST,
  refusal,
} from "./_test/fake-runtime.ts";

const ID = "22222222-2222-4222-8222-000000000001";
const NOTHING = new Response(null, { status: 204 });
const TASK =
  `{"task_id":"${ID}","task_type":"t","params":{"seed":9007199254740993},` +
  `"project_id":null,"lease_token":"${ID}","attempt":1}`;

function client(runtime: FakeRuntime, key = "k") {
  return createQueueClient({ url: "https://q.test/", key, runtime });
}

function bodies({ seen }: FakeRuntime): Record<string, unknown>[] {
  return seen.map((request) => JSON.parse(request.body));
}

describe("claim()", () => {
  test("is null when there is nothing", async () => {
    const runtime = fakeRuntime(NOTHING);
    expect(await client(runtime).claim({ worker_id: "w" })).toBeNull();
    expect(runtime.seen[0]).toMatchObject({
      url: "https://q.test/functions/v1/claim-next-task",
      headers: { authorization: "Bearer k" },
    });
  });

  test("keeps numbers that JavaScript cannot hold in the text", async () => {
    const claim = await client(fakeRuntime(new Response(TASK))).claim({});
    expect(claim?.task_id).toBe(ID);
    expect(claim?.text).toContain("9007199254740993");
  });

  test("asks again under the same claim_id when a reply was lost", async () => {
    const runtime = fakeRuntime(LOST, LOST, new Response(TASK));
    await client(runtime).claim({ worker_id: "w" });
    const ids = bodies(runtime).map((body) => body["claim_id"]);
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
  });

  test("refuses a reply that lacks what a worker reads", async () => {
    const runtime = fakeRuntime(Response.json({ task_id: ID }));
    await expect(client(runtime).claim({})).rejects.toThrow(UnexpectedReply);
  });
});

describe("repeatingClaim()", () => {
  test("keeps the claim_id over calls until it is answered", async () => {
    const lost = Array.from({ length: 6 }, () => LOST);
    const runtime = fakeRuntime(...lost, new Response(TASK), NOTHING);
    const claim = repeatingClaim(client(runtime), {}, runtime.newId);
    await expect(claim()).rejects.toThrow(NoResponseError);
    expect(await claim()).toMatchObject({ task_id: ID });
    expect(await claim()).toBeNull();
    const ids = bodies(runtime).map((body) => body["claim_id"]);
    expect(new Set(ids.slice(0, -1)).size).toBe(1);
    expect(ids.at(-1)).not.toBe(ids[0]);
  });

  test("takes a refusal for an answer", async () => {
    const runtime = fakeRuntime(refusal(409, "CLAIM_ID_USED"), NOTHING);
    const claim = repeatingClaim(client(runtime), {}, runtime.newId);
    await expect(claim()).rejects.toMatchObject({ code: "CLAIM_ID_USED" });
    await claim();
    const [first, second] = bodies(runtime);
    expect(first?.["claim_id"]).not.toBe(second?.["claim_id"]);
  });
});

describe("create()", () => {
  const CREATED = Response.json({
    task_id: ID,
    status: "Queued",
    created: true,
    task_type: "t",
    project_id: null,
    dependant_on: null,
    run_type: "cloud",
    priority: 0,
    available_at: null,
    idempotency_key: null,
    output_location: null,
    created_at: "2026-11-23T00:00:00Z",
  });

  test("names the task itself, so that a repeat makes no second", async () => {
    const runtime = fakeRuntime(LOST, CREATED);
    await client(runtime).create({ task_type: "t" });
    const [first, second] = bodies(runtime);
    expect(first?.["task_id"]).toBeTypeOf("string");
    expect(second).toEqual(first);
  });

  test("leaves a name that the caller chose", async () => {
    const runtime = fakeRuntime(CREATED);
    await client(runtime).create({ task_type: "t", idempotency_key: "once" });
    expect(bodies(runtime)).toEqual([{
      task_type: "t",
      idempotency_key: "once",
    }]);
  });
});

describe("beat()", () => {
  const SERVICE_KEY = "sb_secret_k";
  const BEATEN = Response.json({
    success: true,
    logs_inserted: 0,
    log_errors: 0,
    stop: [{ task_id: ID, reason: "cancelled" }],
  });

  test("of a service key goes to the Data API with `apikey` alone", async () => {
    const runtime = fakeRuntime(BEATEN);
    const reply = await client(runtime, SERVICE_KEY).beat({ worker_id: "w" });
    expect(reply.stop).toEqual([{ task_id: ID, reason: "cancelled" }]);
    expect(runtime.seen[0]?.url)
      .toBe("https://q.test/rest/v1/rpc/func_worker_heartbeat_with_logs");
    expect(runtime.seen[0]?.headers).toMatchObject({ apikey: SERVICE_KEY });
    expect(runtime.seen[0]?.headers).not.toHaveProperty("authorization");
  });

  test("is not lost for one broken character", async () => {
    const runtime = fakeRuntime(BEATEN);
    const line = { timestamp: "", level: "INFO", task_id: null } as const;
    const logs = [{ ...line, message: "a\ud83db" }];
    await client(runtime, SERVICE_KEY).beat({ worker_id: "w", logs });
    expect(runtime.seen[0]?.body).toContain("a\\ufffdb");
  });

  test("is not repeated: the next one knows more", async () => {
    const runtime = fakeRuntime(LOST);
    await expect(client(runtime, SERVICE_KEY).beat({ worker_id: "w" })).rejects
      .toThrow(NoResponseError);
    expect(runtime.seen).toHaveLength(1);
  });

  test("of a guest goes to the one function, whatever the key", async () => {
    const runtime = fakeRuntime(BEATEN);
    await createQueueClient({
      url: "https://q.test/functions/v1/fairlane/",
      key: "sb_secret_k",
      runtime,
    }).beat({ worker_id: "w" });
    expect(runtime.seen[0]?.url)
      .toBe("https://q.test/functions/v1/fairlane/beat");
  });

  test("of a token goes to the function, with all that runs", async () => {
    const runtime = fakeRuntime(BEATEN);
    const reply = await client(runtime, "tq_token").beat({
      worker_id: "w",
      task_id: ID,
      task_ids: [ID],
    });
    expect(reply.stop).toEqual([{ task_id: ID, reason: "cancelled" }]);
    expect(runtime.seen[0]?.url).toBe("https://q.test/functions/v1/beat");
    expect(runtime.seen[0]?.headers)
      .toMatchObject({ authorization: "Bearer tq_token" });
    expect(bodies(runtime)).toEqual([{
      worker_id: "w",
      task_id: ID,
      task_ids: [ID],
      status: "active",
    }]);
  });

  test("of a token says goodbye in the words of the function", async () => {
    const runtime = fakeRuntime(BEATEN);
    await client(runtime, "tq_token").beat({ worker_id: "w", isLast: true });
    expect(bodies(runtime)).toEqual([{ worker_id: "w", status: "terminated" }]);
  });
});

test("complete() sends the lease, and the same again after a lost reply", async () => {
  const completed = Response.json({
    task_id: ID,
    status: "Complete",
    output_location: "x",
    public_url: "x",
    thumbnail_url: null,
    generation_id: null,
    generation_created: false,
    error_message: null,
    attempt: 1,
  });
  const runtime = fakeRuntime(LOST, completed);
  await client(runtime)
    .complete({ task_id: ID, lease_token: ID }, { output_location: "x" });
  const body = { task_id: ID, lease_token: ID, output_location: "x" };
  expect(bodies(runtime)).toEqual([body, body]);
});
