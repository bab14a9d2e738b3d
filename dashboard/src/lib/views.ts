// The views, in the order of the navigation.

import type { Component } from "svelte";
import Alerts from "../views/alerts/Alerts.svelte";
import Connections from "../views/connections/Connections.svelte";
import Nodes from "../views/nodes/Nodes.svelte";
import Overview from "../views/overview/Overview.svelte";
import Sessions from "../views/sessions/Sessions.svelte";
import Settings from "../views/settings/Settings.svelte";
import Usage from "../views/usage/Usage.svelte";

export interface View {
  id: string;
  title: string;
  component: Component;
}

export const VIEWS: View[] = [
  { id: "overview", title: "Overview", component: Overview },
  { id: "nodes", title: "Nodes", component: Nodes },
  { id: "connections", title: "Connections", component: Connections },
  { id: "sessions", title: "Sessions", component: Sessions },
  { id: "usage", title: "Usage", component: Usage },
  { id: "alerts", title: "Alerts", component: Alerts },
  { id: "settings", title: "Settings", component: Settings },
];
