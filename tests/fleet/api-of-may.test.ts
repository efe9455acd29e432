/** How the API orchestrator of 16 May hands in: docs/contract.md, 19. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stack } from "../support/stack.ts";
import { getFile } from "../support/storage.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, readTask, reset } from "../support/world.ts";
import { ApiOfMay } from "./clients/api-of-may.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import { Wire } from "./clients/wire.ts";

const task_type = "qwen_image_edit";

let owner: Owner;
let network: LossyNetwork | undefined;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
afterEach(async () => {
  await network?.stop();
  network = undefined;
});

describe("the API orchestrator of May", () => {
  it("hands in a file that is the final one", async () => {
    const id = await createTask(owner, { task_type });
    await work(() => ({ file: "a picture" }));
    const task = await readTask(id);
    expect(task).toMatchObject({ status: "Complete", attempts: 1 });
    expect((await getFile(String(task["output_location"]))).bytes)
      .toBe("a picture");
  });

  it.each([
    ["elsewhere", { url: "https://provider.test/out.png" }, {
      status: "Complete",
      output_location: "https://provider.test/out.png",
    }],
    ["nowhere", null, { status: "Complete", output_location: null }],
    ["an error", { error: "e".repeat(700) }, {
      status: "Failed",
      output_location: "e".repeat(500),
      error_message: "e".repeat(500),
    }],
  ])("hands in a result that is %s", async (_where, outcome, ended) => {
    const id = await createTask(owner, { task_type });
    await work(() => outcome);
    expect(await readTask(id)).toMatchObject({ ...ended, attempts: 1 });
  });

  it("takes up what a claim gave it whose answer it did not hear", async () => {
    const ids = await createTasks(owner, 3, { task_type });
    network = await startNetwork(2);
    const begun: string[] = [];
    await work((id) => {
      begun.push(id);
      return { url: `https://provider.test/${id}.png` };
    }, network.url);
    expect(network.lostRepliesOf("claim-next-task")).not.toEqual([]);
    expect(begun.toSorted()).toEqual(ids.toSorted());
    for (const id of ids) {
      expect(await readTask(id)).toMatchObject({
        status: "Complete",
        attempts: 1,
        output_location: `https://provider.test/${id}.png`,
      });
    }
  });
});

async function work(
  outcome: ConstructorParameters<typeof ApiOfMay>[2],
  url = stack().apiUrl,
): Promise<void> {
  await new ApiOfMay(new Wire(url), 20, outcome).poll();
}
