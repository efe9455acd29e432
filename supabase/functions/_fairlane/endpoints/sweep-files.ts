import {
  FilesToSweep,
  type SweepFilesReply,
  SweepFilesRequest,
} from "../../../../shared/sweep-files.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { SMALL_BODY } from "../frame/read-body.ts";

/** After this it starts no further page; the caller continues with `next`. */
const BUDGET_MS = 15_000;

/**
 * `POST /sweep-files`: removes the files that tasks without a result have left.
 * The database lists them and Storage removes them, because only Storage knows
 * where their bytes are.
 */
export const sweepFiles = defineEndpoint({
  name: "sweep-files",
  callers: ["service"],
  schema: SweepFilesRequest,
  maxBytes: SMALL_BODY,
  answer: async ({ body, rpc, note }, deps) => {
    const endsAt = deps.now() + BUDGET_MS;
    const isDry = body.dry_run ?? false;
    const files: string[] = [];
    let next: string | null = body.after ?? null;
    do {
      const reply = await rpc("files_to_sweep", {
        p_after: next ?? undefined,
      });
      const page = FilesToSweep.parse(JSON.parse(reply));
      if (page.files.length > 0 && !isDry) {
        await deps.files.remove(page.files);
      }
      files.push(...page.files);
      next = page.next;
    } while (next !== null && deps.now() < endsAt);
    note({ removed: isDry ? 0 : files.length });
    const result: SweepFilesReply = {
      removed: isDry ? 0 : files.length,
      files,
      next,
      dry_run: isDry,
    };
    return Response.json(result);
  },
});
