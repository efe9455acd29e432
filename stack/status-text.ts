import { namedAddresses } from "./env-output.ts";
import type { StackAddresses } from "./stack-addresses.ts";

/** The addresses for a human reader. */
export function statusText(addresses: StackAddresses): string {
  return Object.entries(namedAddresses(addresses))
    .map(([name, value]) => `${name.padEnd(17)} ${value}\n`)
    .join("");
}

/** Two commands to paste: claim a task, then complete the one claimed. */
export function tryItText({ functionsUrl, secretKey }: StackAddresses): string {
  const post = (name: string) =>
    `curl -sS ${functionsUrl}/${name} \\\n` +
    `    -H "Authorization: Bearer ${secretKey}" \\\n` +
    `    -H "Content-Type: application/json"`;
  // The id is cut out of the reply with sed, as not every machine has jq.
  const taskId = `sed -n 's/^{"task_id" *: *"\\([^"]*\\)".*/\\1/p'`;
  return `Claim a task:

  reply=$(${post("claim-next-task")} \\
    -d '{"worker_id": "worker-demo", "run_type": "gpu"}'); echo "$reply"

Complete it:

  id=$(echo "$reply" | ${taskId})
  ${post("complete-task")} \\
    -d '{"task_id": "'"$id"'", "output_location": "https://example.com/out.mp4"}'
`;
}
