// What to write into popular client libraries. The password is a placeholder: the page does not know it.

import type { ConnectionAddress } from "../../api/types";

export interface Address {
  host: string;
  port: number;
  tls: boolean;
  url: string;
  /** The host was not configured; it is the one that this page is at. */
  guessed: boolean;
}

/** Where clients connect, as far as it is known. */
export function addressOf(connection: ConnectionAddress | undefined, pageHost: string): Address {
  if (connection?.url) {
    try {
      const url = new URL(connection.url);
      const tls = url.protocol === "https:" || url.protocol === "wss:";
      return { host: url.hostname, port: Number(url.port) || (tls ? 443 : 80), tls, url: connection.url, guessed: false };
    } catch {
      // A text that is no URL is shown as the parts that are known.
    }
  }
  const host = connection?.host ?? pageHost;
  const port = connection?.port ?? 2333;
  const tls = connection?.tls ?? false;
  return { host, port, tls, url: `${tls ? "https" : "http"}://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`, guessed: !connection?.host };
}

export interface Snippet {
  id: string;
  label: string;
  note: string;
  text: (address: Address) => string;
}

const PASSWORD = "PASSWORD";
const py = (value: boolean) => (value ? "True" : "False");

export const SNIPPETS: Snippet[] = [
  {
    id: "lavalink-client",
    label: "lavalink-client",
    note: "JavaScript, v4.",
    text: ({ host, port, tls }) => `const manager = new LavalinkManager({
  nodes: [{
    id: "proxy",
    host: "${host}",
    port: ${port},
    secure: ${tls},
    authorization: "${PASSWORD}",
  }],
  sendToShard: (guildId, payload) => client.guilds.cache.get(guildId)?.shard?.send(payload),
});`,
  },
  {
    id: "shoukaku",
    label: "Shoukaku",
    note: "JavaScript, v4; its 3.x releases with a Lavalink v3 node behind the proxy.",
    text: ({ host, port, tls }) => `const shoukaku = new Shoukaku(new Connectors.DiscordJS(client), [{
  name: "proxy",
  url: "${host}:${port}",
  auth: "${PASSWORD}",
  secure: ${tls},
}]);`,
  },
  {
    id: "lavalink.py",
    label: "Lavalink.py",
    note: "Python, v4.",
    text: ({ host, port, tls }) => `client.lavalink = lavalink.Client(client.user.id)
client.lavalink.add_node(
    host="${host}",
    port=${port},
    password="${PASSWORD}",
    region="eu",
    name="proxy",
    ssl=${py(tls)},
)`,
  },
  {
    id: "wavelink",
    label: "Wavelink",
    note: "Python, v4 (Wavelink 3).",
    text: ({ url }) => `nodes = [wavelink.Node(
    identifier="proxy",
    uri="${url}",
    password="${PASSWORD}",
)]
await wavelink.Pool.connect(nodes=nodes, client=bot)`,
  },
  {
    id: "disgolink",
    label: "DisGoLink",
    note: "Go, v4.",
    text: ({ host, port, tls }) => `node, err := lavalink.AddNode(ctx, disgolink.NodeConfig{
	Name:     "proxy",
	Address:  "${host}:${port}",
	Password: "${PASSWORD}",
	Secure:   ${tls},
})`,
  },
  {
    id: "lavalink4net",
    label: "Lavalink4NET",
    note: "C#, v4.",
    text: ({ url }) => `services.AddLavalink();
services.ConfigureLavalink(options =>
{
    options.Label = "proxy";
    options.BaseAddress = new Uri("${url}");
    options.Passphrase = "${PASSWORD}";
});`,
  },
  {
    id: "erela.js",
    label: "erela.js",
    note: "JavaScript, v3.",
    text: ({ host, port, tls }) => `const manager = new Manager({
  nodes: [{
    identifier: "proxy",
    host: "${host}",
    port: ${port},
    password: "${PASSWORD}",
    secure: ${tls},
  }],
  send: (id, payload) => client.guilds.cache.get(id)?.shard.send(payload),
});`,
  },
];
