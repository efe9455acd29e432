import type { Wire } from "./wire.ts";

/** Downloads what the task before this one has made: contract 3.8, then C, D. */
export async function predecessorFile(
  wire: Wire,
  taskId: string,
): Promise<string> {
  const url = await fromFunction(wire, taskId) ??
    await fromTables(wire, taskId);
  return await wire.download(url);
}

async function fromFunction(
  wire: Wire,
  task_id: string,
): Promise<string | null> {
  const answer = await wire.edge("get-predecessor-output", { task_id })
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
