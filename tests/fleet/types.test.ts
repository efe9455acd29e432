/**
 * The types that the deployed fleet enqueues: who gets their tasks, and what
 * their results leave behind.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction, type Reply } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, readTask, reset } from "../support/world.ts";

/** Types by pool and by what a result is recorded as; null = nowhere. */
const TYPES = [
  {
    pool: "api",
    recorded: "image",
    names: [
      ...["wan_2_2_t2i", "qwen_image", "qwen_image_2512", "qwen_image_edit"],
      ...["qwen_image_style", "z_image_turbo", "z_image_turbo_i2i"],
      ...["flux_klein_edit", "image_inpaint", "annotated_image_edit"],
      ...["image_upscale", "image-upscale"],
    ],
  },
  {
    pool: "api",
    recorded: "video",
    names: ["wan_2_2_i2v", "animate_character", "video_enhance"],
  },
  {
    pool: "gpu",
    recorded: "video",
    names: [
      ...["travel_segment", "travel_stitch", "join_clips_segment"],
      ...["join_final_stitch", "individual_travel_segment"],
      ...["edit_video_segment", "t2v", "t2v_22", "vace", "vace_21", "vace_22"],
      ...["i2v", "i2v_22", "hunyuan", "ltxv", "ltx2", "generate_video"],
      ...["inpaint_frames", "create_visualization"],
      ...["rife_interpolate_images", "comfy"],
    ],
  },
  {
    pool: "gpu",
    recorded: "image",
    names: [
      ...["magic_edit", "flux", "qwen_image_hires", "single_image"],
      ...["image_edit", "edit_travel_kontext", "edit_travel_flux"],
    ],
  },
  {
    pool: "gpu",
    recorded: null,
    names: [
      ...["travel_orchestrator", "join_clips_orchestrator"],
      ...["edit_video_orchestrator", "extract_frame", "wgp", "lora_training"],
      "test",
    ],
  },
  { pool: "banodoco", recorded: "video", names: ["banodoco_render_timeline"] },
  { pool: "banodoco", recorded: null, names: ["banodoco_timeline_generate"] },
] as const;

const POOLS = ["gpu", "api", "banodoco"];

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe.each(TYPES)("of the $pool pool, recorded as $recorded", (types) => {
  it("are handed to its workers alone, and their results recorded so", async () => {
    for (const name of types.names) {
      const id = await createTask(owner, { task_type: name });
      for (const pool of POOLS.filter((other) => other !== types.pool)) {
        expect((await claim(pool)).status, `${name} for ${pool}`).toBe(204);
      }
      expect((await claim(types.pool)).json, name)
        .toMatchObject({ task_id: id, task_type: name });
      const output_location = `https://files.example/${id}`;
      const done = await edge("complete_task", {
        task_id: id,
        output_location,
      });
      expect(done.status).toBe(200);
      const records = await admin()`
        select type, location from public.generations where task_id = ${id}
      `;
      expect([...records], name).toEqual(
        types.recorded === null
          ? []
          : [{ type: types.recorded, location: output_location }],
      );
      expect(await readTask(id)).toMatchObject({
        takes_slot: !name.endsWith("_orchestrator"),
      });
    }
    expect(await counterDrift()).toEqual([]);
  });
});

async function claim(run_type: string): Promise<Reply> {
  const worker_id = `worker-${crypto.randomUUID()}`;
  return await edge("claim-next-task", { worker_id, run_type });
}

function edge(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}
