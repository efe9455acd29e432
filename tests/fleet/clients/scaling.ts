/** What an orchestrator works out of the counts before it rents. */
export interface Workload {
  /** What it may rent for. */
  readonly queued: number;
  readonly total: number;
}

type Numbers = Readonly<Record<string, unknown>>;

/** What orchestrators since 16 May say with every count: the seven, always. */
export const ROUTE = {
  worker_backend: "wgp",
  worker_profile: "1",
  worker_pool: "gpu-wgp-production",
  selector_namespace: "production",
  selector_version: null,
  worker_contract_version: 1,
  worker_run_id: null,
} as const;

/** What its rows of workers hold besides. What `route_contract` holds is made up. */
export const ROUTED = {
  ...ROUTE,
  route_contract: {
    worker_contract_version: 1,
    selector: { namespace: "production", version: null },
    backends: ["wgp"],
  },
} as const;

/** Orchestrators from 28 January on; without the breakdown as before. */
export function workloadOf(totals: Numbers): Workload {
  const queued = Number(
    totals["potentially_claimable"] ?? totals["queued_only"] ?? 0,
  );
  return { queued, total: queued + Number(totals["active_only"] ?? 0) };
}

/** Orchestrators from 16 May on: of a list of routes only what is their own. */
export function workloadOnRoute(
  reply: { readonly totals: Numbers; readonly route_totals?: unknown },
): Workload {
  const { route_totals: routes } = reply;
  if (!Array.isArray(routes)) return workloadOf(reply.totals);
  const own = (routes as Numbers[]).filter((route) =>
    route["selected_backend"] === ROUTE.worker_backend &&
    route["selector_namespace"] === ROUTE.selector_namespace &&
    (route["selector_version"] ?? "") === (ROUTE.selector_version ?? "") &&
    route["worker_contract_version"] === ROUTE.worker_contract_version &&
    ["1", "default"].includes(String(route["selected_profile"]))
  );
  const sum = (name: string) =>
    own.reduce((total, route) => total + Number(route[name] ?? 0), 0);
  const queued = sum("potentially_claimable");
  return { queued, total: queued + sum("active_only") };
}
