// What more than one view needs of the proxy: the overview, which is always watched, and its settings, read once.

import { api } from "../api/client";
import type { Overview, Settings } from "../api/types";

let overview = $state.raw<Overview | undefined>(undefined);
let settings = $state.raw<Settings | undefined>(undefined);
let asked = false;

export const shared = {
  get overview(): Overview | undefined {
    return overview;
  },
  set overview(value: Overview | undefined) {
    overview = value;
  },
  get settings(): Settings | undefined {
    if (!asked) {
      asked = true;
      void api.GET("/api/v1/settings").then(({ data }) => {
        settings = data;
        // It may only be for now that it is not to be had.
        if (!data) setTimeout(() => (asked = false), 30_000);
      });
    }
    return settings;
  },
};
