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
    if (me.role === "admin" && !me.scopes) return true;
    return (me.scopes ?? []).some((own) => own === scope || own === "admin");
  },
  /** Asks the proxy; also when a stream could not be had, which does not say why. */
  async check(): Promise<void> {
    const before = me;
    const { data, error, response } = await api.get<Me>("me");
    if (data) {
      me = data;
      unreachable = null;
    } else if (response?.status === 401) {
      expired = Boolean(before);
      me = null;
      unreachable = null;
    } else if (me === undefined) {
      unreachable = problemOf(error, response);
    }
  },
  /** Returns what went wrong, if anything. */
  async login(user: string, password: string): Promise<Problem | null> {
    const { data, error, response } = await api.post<Me>("login", { user: user || undefined, password });
    if (!data) return problemOf(error, response);
    me = data;
    expired = false;
    return null;
  },
  async logout(): Promise<void> {
    await api.post("logout");
    me = null;
    expired = false;
  },
};
