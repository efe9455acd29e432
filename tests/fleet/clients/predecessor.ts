import type { Wire } from "./wire.ts";

/**
 * Downloads what the task before this one has made: contract 3.8, then C, D.
 * Workers from 18 March on also say the place of a segment.
 */
export async function predecessorFile(
  wire: Wire,
  taskId: string,
  more: { readonly child_order?: number } = {},
): Promise<string> {
  const url = await fromFunction(wire, { task_id: taskId, ...more }) ??
    await fromTables(wire, taskId);
  return await wire.download(url);
}

async function fromFunction(
  wire: Wire,
  body: object,
): Promise<string | null> {
  const answer = await wire.edge("get-predecessor-output", body)
    .catch(() => null);
  if (answer?.status !== 200) return null;
  return (answer.json as { output_location: string | null }).output_location;
}

async function fromTables(wire: Wire, taskId: string): Promise<string> {
  const query = { select: "dependant_on", id: `eq.${taskId}` };
  const { dependant_on } = await wire.single("tasks", query);
  const { output_location, status } = await wire.single("tasks", {
    select: "output_location,status",
    id: `eq.${dependant_on}`,
  });
  if (status !== "Complete") throw new Error(`The predecessor is ${status}`);
  return String(output_location);
}
