import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type LoggedFunction,
  startLoggedFunction,
} from "../support/function-log.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createToken,
  reset,
  startTask,
} from "../support/world.ts";

const CANARY = "canary-9d1f";

const LogLine = z.looseObject({
  level: z.enum(["info", "warn", "error"]),
  event: z.literal("request"),
  request_id: z.string().min(1),
  function: z.string(),
  status: z.int(),
  ms: z.number(),
});

let secrets: string[];
let taskId: string;

beforeAll(async () => {
  await reset();
  const owner = await createOwner();
  taskId = await createTask(owner, { params: { prompt: CANARY } });
  await startTask(taskId);
  const { serviceRoleKey, secretKey, anonKey, publishableKey } = stack();
  secrets = [
    ...[serviceRoleKey, secretKey, anonKey, publishableKey],
    await createToken(owner),
    await userJwt(owner.id),
    `Bearer-${CANARY}-that-is-no-key`,
  ];
});

describe.each(["claim-next-task", "update-task-status", "complete_task"])(
  "the log of %s",
  (name) => {
    let logged: LoggedFunction;

    beforeAll(async () => {
      logged = await startLoggedFunction(name);
    });
    afterAll(() => logged.stop());

    it("has one line of JSON per request, with its id and no secret", async () => {
      const ids: string[] = [];
      for (const [index, key] of secrets.entries()) {
        const id = `${name}-${index}`;
        ids.push(id);
        await request(logged.url, id, key, {
          // Fields that are logged, with what must not be.
          worker_id: `worker\r\n\u001b[31m ${key}`,
          task_id: taskId,
          status: index % 2 === 0 ? "In Progress" : "Failed",
          output_location: `${CANARY} ${key}`,
          lease_token: key,
        });
        await request(
          logged.url,
          `${id}-broken`,
          key,
          `{"broken": "${key} ${CANARY}`,
        );
        ids.push(`${id}-broken`);
      }
      const lines = await logged.lines(ids.length);

      expect(lines).toHaveLength(ids.length);
      const parsed = lines.map((line) => LogLine.parse(JSON.parse(line)));
      expect(parsed.map((line) => line.request_id)).toEqual(ids);
      const text = lines.join("\n");
      for (const secret of [...secrets, CANARY]) {
        expect(text).not.toContain(secret);
      }
      expect(lines.every((line) => !/\p{Cc}/u.test(line))).toBe(true);
    });
  },
);

/** Sends to the logged process directly; what it answers is not the point. */
async function request(
  url: string,
  id: string,
  key: string,
  body: unknown,
): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      apikey: key,
      "x-request-id": id,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  await response.text();
}
