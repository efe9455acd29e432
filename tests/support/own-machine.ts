import { expect } from "vitest";
import { BeatReply } from "../../shared/beat.ts";
import { callFunction } from "./http.ts";
import { expectOk } from "./replies.ts";
import { createTask, type Owner } from "./world.ts";

/** How a user's own machine calls itself. */
export const NAME = "my-laptop";

/** A task of this owner that the machine of this token runs. */
export async function held(
  owner: Owner,
  token: string,
  name = NAME,
  task_type = "clip",
): Promise<string> {
  const id = await createTask(owner, { task_type });
  const reply = await callFunction("claim-next-task", {
    worker_id: name,
    run_type: task_type === "clip" ? "gpu" : "api",
  }, { key: token });
  expect(reply.json, reply.text).toMatchObject({ task_id: id });
  return id;
}

/** A beat of that machine. */
export async function beat(token: string, body: object): Promise<BeatReply> {
  const reply = await callFunction("beat", { worker_id: NAME, ...body }, {
    key: token,
  });
  return expectOk(reply, BeatReply);
}
