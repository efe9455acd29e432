// A worker as a process of its own, so that it can be stopped and continued.
// It claims once and beats; a line "complete" on its input makes it complete
// what it claimed. Each line that it prints is the JSON of a reply.
import process from "node:process";
import { createInterface } from "node:readline";

const [apiUrl, key, workerId, sendsLease] = process.argv.slice(2);

async function post(path, body) {
  const response = await fetch(`${apiUrl}${path}`, {
    method: "POST",
    headers: {
      apikey: key,
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : null };
}

const claim = await post("/functions/v1/claim-next-task", {
  worker_id: workerId,
  run_type: "gpu",
});
console.log(JSON.stringify(claim));

const beats = setInterval(() => {
  post("/rest/v1/rpc/func_update_worker_heartbeat", {
    worker_id_param: workerId,
  }).catch(() => {});
}, 200);

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "complete") continue;
  const { task_id, lease_token } = claim.body;
  const reply = await post("/functions/v1/complete-task", {
    task_id,
    output_location: `https://files/${workerId}.mp4`,
    ...(sendsLease === "true" ? { lease_token } : {}),
  });
  console.log(JSON.stringify(reply));
}
clearInterval(beats);
