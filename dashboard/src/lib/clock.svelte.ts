// The proxy's time, as near as its ticks tell it: what it calls "now" is what its own times are compared with.

let offset = 0;
let now = $state(Date.now());

setInterval(() => (now = Date.now() + offset), 1000);

export const clock = {
  get now(): number {
    return now;
  },
  /** Takes the proxy's clock; small differences are the way there. */
  set(at: number): void {
    const seen = at - Date.now();
    if (Math.abs(seen - offset) > 1500) offset = seen;
    now = Date.now() + offset;
  },
};
