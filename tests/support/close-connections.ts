import { afterAll } from "vitest";
import { closeConnections } from "./db.ts";

afterAll(closeConnections);
