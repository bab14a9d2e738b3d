// Who is logged in, and what they may do.

import { api, problemOf, type Problem } from "../api/client";
import type { Me } from "../api/types";

/** Undefined until the proxy was asked, null when nobody is logged in. */
let me = $state.raw<Me | null | undefined>(undefined);
let unreachable = $state.raw<Problem | null>(null);
let expired = $state(false);

export const session = {
  get me(): Me | null | undefined {
    return me;
  },
  /** Why it is not known who is logged in. */
  get unreachable(): Problem | null {
    return unreachable;
  },
  /** The login ended by itself, which the login page says. */
  get expired(): boolean {
    return expired;
  },
  can(scope: "operate" | "admin"): boolean {
    if (!me) return false;
    return me.scopes.some((own) => own === scope || own === "admin");
  },
  /** Asks the proxy; also when a stream could not be had, which does not say why. */
  async check(): Promise<void> {
    const before = me;
    const answer = await api.GET("/api/v1/me");
    if (answer.data) {
      me = answer.data;
      unreachable = null;
    } else if (answer.response.status === 401) {
      expired = Boolean(before);
      me = null;
      unreachable = null;
    } else if (me === undefined) {
      unreachable = problemOf(answer);
    }
  },
  /** Returns what went wrong, if anything. */
  async login(user: string, password: string): Promise<Problem | null> {
    const answer = await api.POST("/api/v1/login", { body: { user: user || null, password } });
    if (answer.data) {
      me = answer.data;
      expired = false;
    }
    return problemOf(answer);
  },
  async logout(): Promise<void> {
    await api.POST("/api/v1/logout");
    me = null;
    expired = false;
  },
};
