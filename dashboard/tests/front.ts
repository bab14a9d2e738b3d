// A reverse proxy before the admin listener, as operators have one: with a path of its own, and able to go away.

import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export class Front {
  private server: Server | undefined;
  private port = 0;
  private readonly target: URL;

  constructor(adminUrl: string, private readonly prefix: string) {
    this.target = new URL(adminUrl);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}${this.prefix}/`;
  }

  /** At the port that it had, if it had one. */
  async start(): Promise<void> {
    const server = createServer((incoming, outgoing) => {
      const path = incoming.url ?? "/";
      if (!path.startsWith(`${this.prefix}/`)) return void outgoing.writeHead(404).end();
      const { hostname: host, port } = this.target;
      const onward = request({ host, port, path: path.slice(this.prefix.length), method: incoming.method, headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on("error", () => outgoing.destroy());
      outgoing.on("close", () => onward.destroy());
      incoming.pipe(onward);
    });
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async stop(): Promise<void> {
    const { server } = this;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }
}
