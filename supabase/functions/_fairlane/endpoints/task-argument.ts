import type { NewTask } from "../../../../shared/create.ts";
import { jsonText, RawJson, rawMember } from "../json/raw-json.ts";

/**
 * One task as the database reads it. `source` is the text it was parsed from:
 * params go on in their sender's own spelling, because seeds have 64 bits.
 */
export function taskArgument(task: NewTask, source: string): RawJson {
  const { project_id, dependant_on, params: _, ...fields } = task;
  return new RawJson(jsonText({
    ...fields,
    project: project_id,
    depends_on: dependant_on,
    params: rawMember(source, "params") ?? rawMember(source, "input"),
  }));
}
