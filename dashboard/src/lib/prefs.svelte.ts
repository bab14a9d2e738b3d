// What the viewer chose, kept in this browser.

import { formatRate, type Units } from "./units";

export type Theme = "system" | "light" | "dark";

const KEY = "lavalink-proxy";

interface Choices {
  theme: Theme;
  units: Units;
}

function load(): Choices {
  let stored: Partial<Choices> = {};
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Choices>;
  } catch {
    // A browser that keeps nothing, or something else's value: the defaults do.
  }
  return {
    theme: stored.theme === "light" || stored.theme === "dark" ? stored.theme : "system",
    units: stored.units === "bits" ? "bits" : "bytes",
  };
}

const choices = $state<Choices>(load());
const systemDark = matchMedia("(prefers-color-scheme: dark)");
let dark = $state(systemDark.matches);
systemDark.addEventListener("change", () => (dark = systemDark.matches));

function apply(): void {
  const root = document.documentElement;
  if (choices.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = choices.theme;
}

function change(part: Partial<Choices>): void {
  Object.assign(choices, part);
  apply();
  try {
    localStorage.setItem(KEY, JSON.stringify(choices));
  } catch {
    // It holds until the page is closed.
  }
}

apply();

export const prefs = {
  get theme(): Theme {
    return choices.theme;
  },
  set theme(theme: Theme) {
    change({ theme });
  },
  get units(): Units {
    return choices.units;
  },
  set units(units: Units) {
    change({ units });
  },
  /** Which of the two is seen. */
  get dark(): boolean {
    return choices.theme === "system" ? dark : choices.theme === "dark";
  },
};

/** Bytes per second, as the viewer wants rates shown. */
export function rate(value: number | null | undefined): string {
  return formatRate(value, choices.units);
}
