import { z } from "zod";
import { Flag, optional } from "./fields.ts";

/** Body of `POST /sweep-files`. */
export const SweepFilesRequest = z.object({
  after: optional(
    z.string({ error: "must be a string" }).max(1024, {
      error: "must have at most 1024 characters",
    }),
  ).describe("`next` of the previous reply"),
  dry_run: optional(Flag).meta({
    description: "List the files, remove none",
    default: false,
  }),
});
export type SweepFilesRequest = z.infer<typeof SweepFilesRequest>;

/** One page of `public.files_to_sweep`. */
export const FilesToSweep = z.looseObject({
  files: z.array(z.string()),
  next: z.string().nullable(),
});
export type FilesToSweep = z.infer<typeof FilesToSweep>;

/** Reply of `POST /sweep-files`. */
export const SweepFilesReply = z.looseObject({
  removed: z.int().describe("0 in a dry run"),
  files: z.array(z.string()),
  next: z.string().nullable().describe("Not null: there may be more"),
  dry_run: z.boolean(),
});
export type SweepFilesReply = z.infer<typeof SweepFilesReply>;
