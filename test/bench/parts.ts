import type { Part } from "./part.ts";
import { complianceCost } from "./part-compliance-cost.ts";
import { fanout } from "./part-fanout.ts";
import { history } from "./part-history.ts";
import { rooms } from "./part-rooms.ts";
import { seal } from "./part-seal.ts";
import { search } from "./part-search.ts";
import { signin } from "./part-signin.ts";
import { store } from "./part-store.ts";
import { verify } from "./part-verify.ts";

/** Every part, in the order they run when none is named. */
export const PARTS: readonly Part[] = [
  fanout,
  rooms,
  store,
  signin,
  history,
  search,
  complianceCost,
  seal,
  verify,
];
