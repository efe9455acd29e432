import { ApiError, toResponse } from "./frame/api-error.ts";
import type { CreateHandler, EndpointDeps, Handler } from "./frame/endpoint.ts";
import { writeLog } from "./frame/log.ts";
import {
  preflightResponse,
  requestIdOf,
  setReplyHeaders,
} from "./frame/reply-headers.ts";

/** One handler for all endpoints: the last part of the path names which. */
export function createRouter(
  endpoints: Readonly<Record<string, CreateHandler>>,
  deps: EndpointDeps,
): Handler {
  const routes = new Map(
    Object.entries(endpoints).map(([name, create]) => [name, create(deps)]),
  );
  const names = [...routes.keys()].toSorted();
  return async (request) => {
    const handler = routes.get(routeOf(request.url));
    if (handler !== undefined) return await handler(request);

    const requestId = requestIdOf(request.headers, deps.createRequestId);
    // A browser that is refused its preflight could not read why.
    const response = request.method === "OPTIONS"
      ? preflightResponse()
      : toResponse(noSuchRoute(names));
    setReplyHeaders(response, requestId);
    writeLog(deps.log, "warn", "request", {
      request_id: requestId,
      function: "fairlane",
      status: response.status,
      code: "ROUTE_NOT_FOUND",
    });
    return response;
  };
}

/** `claim-next-task` of `https://…/fairlane/claim-next-task`. */
function routeOf(url: string): string {
  const parts = new URL(url).pathname.split("/").filter((part) => part !== "");
  return parts.at(-2) === "fairlane" ? parts.at(-1) ?? "" : "";
}

function noSuchRoute(routes: readonly string[]): ApiError {
  return new ApiError("ROUTE_NOT_FOUND", "There is no such route", {
    hint: "Send a POST to /fairlane/<one of the routes in details>",
    details: { routes },
  });
}
