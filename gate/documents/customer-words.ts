import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Every word of the one customer whose clients run today: members of their
 * payloads, what they call the parts of a job, names of their services and
 * types. As regular expressions, whatever stands around them.
 */
export const CUSTOMER_WORDS: readonly string[] = [
  // Members of params and of settings, and what else is read in a payload.
  "orchestrator_details",
  "orchestrator_run_id",
  "orchestrator_task_id_ref",
  "parent_orchestrator_task_id",
  "num_new_segments_to_generate",
  "clip_list",
  "join_index",
  "generationMethods",
  "inCloud",
  "onComputer",
  "runpod",
  "gpu-2025",
  "local-worker",
  // The parts of a job.
  "travel(?!l)",
  "segment",
  "stitch",
  "join_clips",
  "crossfade",
  "shot_pair",
  // Services, and types that hold none of these words.
  "banodoco",
  "edit_video",
  "wan_2",
  "animate_character",
  "qwen",
  "z_image",
  "flux",
  "image_inpaint",
  "annotated_image",
  "image[_-]upscale",
  "video_(?:enhance|upscale|generation)",
  "magic_edit",
  "[ti]2v",
  "vace",
  "hunyuan",
  "ltxv",
  "ltx2",
  "generate_video",
  "inpaint_frames",
  "create_visualization",
  "rife_interpolate",
  "\\bcomfy\\b",
  "extract_frame",
  "\\bwgp\\b",
  "lora_training",
  "single_image",
  "\\bimage_edit",
];

const WORDS = new RegExp(CUSTOMER_WORDS.join("|"), "gi");

/** The words of the customer in a text, each with its line. */
export function customerWordsIn(text: string): string[] {
  return text.split("\n").flatMap((line, index) =>
    (line.match(WORDS) ?? []).map((word) => `${index + 1}: ${word}`)
  );
}

/** Names of deployed endpoints, which tests of all endpoints list. */
const ENDPOINTS =
  /get[-_]completed[-_]segments|update[-_]shot[-_]pair[-_]prompts/g;

/** The same of a file: in the database itself endpoints have no exception. */
export function wordsOfFile(file: string, text: string): string[] {
  const isSchema = file.startsWith("supabase/schemas/");
  return customerWordsIn(isSchema ? text : text.replace(ENDPOINTS, ""));
}

/** The same of every file that git knows, but for those that may. */
export function customerWords(root: string, may: readonly string[]): string[] {
  return execFileSync("git", ["ls-files", "-z"], {
    cwd: root,
    encoding: "utf8",
  })
    .split("\0")
    .filter((file) => file !== "")
    .filter((file) => !may.some((start) => file.startsWith(start)))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return [
        ...wordsOfFile(file, file).map(() => `${file}: its name`),
        ...wordsOfFile(file, text).map((word) => `${file}:${word}`),
      ];
    });
}
