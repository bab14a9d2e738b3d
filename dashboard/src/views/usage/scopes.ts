// What usage is summed up by.

export interface Scope {
  id: "ip" | "tenant" | "node" | "version" | "total";
  label: string;
  /** In a heading of a column, and of many. */
  one: string;
  many: string;
  /** The resource of what goes on now; none: there is only history. */
  live: string | null;
}

export const SCOPES: Scope[] = [
  { id: "ip", label: "addresses", one: "Address", many: "addresses", live: "usage/ips" },
  { id: "tenant", label: "tenants", one: "Tenant", many: "tenants", live: "usage/tenants" },
  { id: "node", label: "nodes", one: "Node", many: "nodes", live: null },
  { id: "version", label: "versions", one: "Version", many: "versions", live: null },
  { id: "total", label: "in total", one: "Total", many: "totals", live: null },
];

/** Addresses unless another is asked for. */
export function scopeOf(id: string | undefined): Scope {
  return SCOPES.find((scope) => scope.id === id) ?? (SCOPES[0] as Scope);
}
