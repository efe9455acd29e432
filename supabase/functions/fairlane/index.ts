import { serveRoutes } from "../_fairlane/serve-routes.ts";

serveRoutes();
