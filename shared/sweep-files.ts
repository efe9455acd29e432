import { z } from "zod";
import { Flag, optional } from "./fields.ts";

/** Body of `POST /sweep-files`. */
export const SweepFilesRequest = z.object({
  /** Where the call before this one has stopped. */
  after: optional(
    z.string({ error: "must be a string" }).max(1024, {
      error: "must have at most 1024 characters",
    }),
  ),
  dry_run: optional(Flag),
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
  /** How many are gone; 0 of a dry run. */
  removed: z.int(),
  files: z.array(z.string()),
  /** Not null: there may be more, from here on. */
  next: z.string().nullable(),
  dry_run: z.boolean(),
});
export type SweepFilesReply = z.infer<typeof SweepFilesReply>;
