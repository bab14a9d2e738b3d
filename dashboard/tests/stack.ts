// The proxy with simulated nodes and bots, for one run of tests. Every port is one that the system gives.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BUILD = process.env.LAVALINK_PROXY_BUILD ?? join(import.meta.dirname, "../../target/debug");
const NODE_PASSWORD = "node-password";
export const ADMIN_PASSWORD = "dashboard-admin";
/** Where clients are told to connect. */
export const PUBLIC_URL = "http://lavalink.example.org:2333";
export const VIEWER_PASSWORD = "dashboard-viewer";
const START_LIMIT_MS = 60_000;

/** A program, with the lines that it writes. */
class Program {
  private readonly child: ChildProcess;
  private readonly lines: string[] = [];
  private readonly listeners = new Set<(line: string) => void>();

  constructor(private readonly name: string, args: string[]) {
    // Those of the test kit end when their input does, so they cannot outlive this process.
    this.child = spawn(join(BUILD, name), args, { stdio: ["pipe", "pipe", "pipe"] });
    for (const output of [this.child.stdout, this.child.stderr]) {
      if (output) createInterface({ input: output }).on("line", (line) => this.heard(line));
    }
    this.child.on("error", (error) => this.heard(`cannot be started: ${error.message}`));
    this.child.on("exit", (code, signal) => this.heard(`ended: ${code ?? signal}`));
  }

  private heard(line: string): void {
    this.lines.push(line);
    this.listeners.forEach((listener) => listener(line));
  }

  /** The first group of a pattern in what it has written, or writes soon. */
  says(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => finish(() => reject(new Error(`${this.name} did not say ${pattern}:\n${this.lines.slice(-20).join("\n")}`))), START_LIMIT_MS);
      const finish = (end: () => void) => {
        clearTimeout(limit);
        this.listeners.delete(look);
        end();
      };
      const look = (line: string) => {
        const found = pattern.exec(line);
        if (found) finish(() => resolve(found[1] ?? ""));
      };
      this.listeners.add(look);
      this.lines.forEach(look);
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    const late = setTimeout(() => this.child.kill("SIGKILL"), 8000);
    this.child.kill(signal);
    await ended;
    clearTimeout(late);
  }
}

/** Passes connections on from an address of its own, so that clients of one machine come from several. */
class Relay {
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async start(from: string, to: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on("connection", (client) => {
      const proxy = connect({ host: "127.0.0.1", port: to, localAddress: from });
      for (const [one, other] of [[client, proxy], [proxy, client]] as const) {
        relay.sockets.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => relay.sockets.delete(one) && other.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    this.sockets.forEach((socket) => socket.destroy());
    this.server.close();
  }
}

interface NodeSpec {
  name: string;
  generation: string;
  regions?: string[];
}

export interface BotSpec {
  /** The address that they come from. */
  from: string;
  tenant: string;
  generation: string;
  count: number;
  firstUser: number;
  players?: number;
  pace?: number;
}

export const NODES: NodeSpec[] = [
  { name: "eu-1", generation: "4.2", regions: ["rotterdam"] },
  { name: "us-1", generation: "4.2", regions: ["us-east"] },
  { name: "old-1", generation: "3.7" },
];

export const BOTS: BotSpec[] = [
  { from: "127.0.1.1", tenant: "default", generation: "4.2", count: 3, firstUser: 1000 },
  { from: "127.0.1.2", tenant: "bigbot", generation: "4.2", count: 2, firstUser: 2000, players: 5, pace: 0.5 },
  { from: "127.0.1.3", tenant: "default", generation: "3.7", count: 1, firstUser: 3000 },
  { from: "127.0.1.4", tenant: "default", generation: "legacy", count: 1, firstUser: 4000 },
];

export class Stack {
  private readonly folder = mkdtempSync(join(tmpdir(), "lavalink-proxy-dashboard-"));
  private readonly nodes = new Map<string, { program: Program; port: string; spec: NodeSpec }>();
  private readonly others: { stop(): Promise<void> | void }[] = [];
  private proxy: Program | undefined;
  adminUrl = "";
  clientPort = 0;

  /** `settings` are sections of the configuration beside those that every run has. */
  private constructor(private readonly settings: string) {}

  static async start(settings = ""): Promise<Stack> {
    const stack = new Stack(settings);
    try {
      for (const node of NODES) await stack.startNode(node, "0");
      await stack.startProxy();
      for (const bot of BOTS) await stack.startBots(bot);
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  private async startNode(spec: NodeSpec, port: string): Promise<void> {
    const program = new Program("sim-node", ["--port", port, "--generation", spec.generation, "--password", NODE_PASSWORD, "--player-update-interval", "2"]);
    const taken = await program.says(/^http:\/\/127\.0\.0\.1:(\d+) /);
    this.nodes.set(spec.name, { program, port: taken, spec });
  }

  private async startProxy(): Promise<void> {
    const config = join(this.folder, "lavalink-proxy.toml");
    writeFileSync(config, this.configuration());
    const proxy = new Program("lavalink-proxy", ["--config", config]);
    this.proxy = proxy;
    this.clientPort = Number(await proxy.says(/clients connect here.*?127\.0\.0\.1:(\d+)/));
    this.adminUrl = await proxy.says(/admin listener.*?(http:\/\/127\.0\.0\.1:\d+)/);
  }

  private configuration(): string {
    const text = (value: string) => JSON.stringify(value);
    const nodes = [...this.nodes.values()].map(
      ({ spec, port }) =>
        `[[nodes]]\nname = ${text(spec.name)}\nurl = "http://127.0.0.1:${port}"\npassword = ${text(NODE_PASSWORD)}\nregions = ${JSON.stringify(spec.regions ?? [])}\n`,
    );
    return [
      `[server]\nbind = "127.0.0.1:0"\nthreads = 1\npublic_url = ${text(PUBLIC_URL)}\n`,
      `[admin]\nbind = "127.0.0.1:0"\npassword = ${text(ADMIN_PASSWORD)}\nviewer_password = ${text(VIEWER_PASSWORD)}\n`,
      `[store]\npath = ${text(join(this.folder, "store.db"))}\nflush_interval = "1s"\n`,
      '[usage]\nlevels = ["1KB/s", "20KB/s", "1MB/s"]\n',
      '[health]\ninterval = "500ms"\n',
      '[log]\nformat = "json"\n',
      this.settings,
      ...["default", "bigbot"].map((name) => `[[tenants]]\nname = "${name}"\npassword = "${name}-password"\n`),
      ...nodes,
    ].join("\n");
  }

  async startBots(spec: BotSpec): Promise<void> {
    const relay = await Relay.start(spec.from, this.clientPort);
    const bots = new Program("sim-bots", [
      "--url", `http://127.0.0.1:${relay.port}`, "--password", `${spec.tenant}-password`, "--generation", spec.generation,
      "--bots", String(spec.count), "--first-user-id", String(spec.firstUser), "--players", String(spec.players ?? 3), "--pace", String(spec.pace ?? 1),
    ]);
    this.others.push(bots, relay);
  }

  /** Ends a node as a crash does. */
  async killNode(name: string): Promise<void> {
    await this.nodes.get(name)?.program.stop("SIGKILL");
  }

  /** Starts a node again at the address that it had. */
  async reviveNode(name: string): Promise<void> {
    const node = this.nodes.get(name);
    if (!node) throw new Error(`there is no node ${name}`);
    await this.startNode(node.spec, node.port);
  }

  get proxyPid(): number {
    return this.proxy?.pid ?? 0;
  }

  /** Ends the proxy, for what the page does then. */
  async stopProxy(): Promise<void> {
    await this.proxy?.stop();
  }

  async stop(): Promise<void> {
    for (const other of this.others) await other.stop();
    await this.proxy?.stop();
    for (const { program } of this.nodes.values()) await program.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
