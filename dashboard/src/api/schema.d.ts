// Made by `npm run types` from docs/reference/openapi.json. Not to be edited.

export interface paths {
    "/api/v1/config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The settings in force, secrets masked */
        get: operations["getConfig"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/connections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * TCP connections of clients
         * @description Columns: `opened`, `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `rate` (bytes per second over ten seconds,
         *     both ways), `id`.
         */
        get: operations["getConnections"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/connections/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Disconnect a client
         * @description The connection's worker closes it shortly after the answer; a WebSocket is closed with 1008.
         */
        delete: operations["deleteConnectionsId"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Watch resources
         * @description Server-sent events: at once a `snapshot` of each watched resource, then once a second a `delta` of each that changed,
         *     and a `tick`. A slow reader gets newer values, never a queue. The stream ends with the login. At most 64 streams are
         *     open at once.
         */
        get: operations["getEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Begin a login session
         * @description The answer sets the cookie `lavalink_proxy`. A login session that the request shows ends. After a few wrong passwords
         *     an address has to wait, longer each time: 429 with `Retry-After`.
         */
        post: operations["postLogin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End the login session of the cookie
         * @description Event streams that it opened end too.
         */
        post: operations["postLogout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who am I */
        get: operations["getMe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is known of every node */
        get: operations["getNodes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes/{name}/drain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Take a node out of placement
         * @description What is on it stays.
         */
        post: operations["postNodesNameDrain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes/{name}/undrain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Put a node back into placement */
        post: operations["postNodesNameUndrain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The API in the OpenAPI format */
        get: operations["getOpenapiJson"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The whole proxy at a glance */
        get: operations["getOverview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lavalink sessions of clients
         * @description Columns: `opened`, `players`.
         */
        get: operations["getSessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All API tokens */
        get: operations["getTokens"];
        put?: never;
        /** Make an API token */
        post: operations["postTokens"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revoke an API token */
        delete: operations["deleteTokensId"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage/ips": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Traffic by client address, closed connections included
         * @description Columns: `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `rate` (bytes per second over ten seconds, both ways),
         *     `connections`.
         */
        get: operations["getUsageIps"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Traffic by tenant, closed connections included
         * @description `none` is what came before a password. Columns as for addresses.
         */
        get: operations["getUsageTenants"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Is the program alive */
        get: operations["getHealthz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All figures for Prometheus, in the OpenMetrics text format */
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Can clients be served
         * @description Says no more than a load balancer needs: it is open to everyone.
         */
        get: operations["getReadyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Traffic with clients. */
        ClientSide: components["schemas"]["Traffic"] & {
            /** @description Versions that occurred. */
            byVersion: {
                [key: string]: components["schemas"]["Traffic"];
            };
        };
        /**
         * @description A client's protocol version: `v3` is 3.7 (`/v3` paths), `v3-legacy` ops over the WebSocket; `undecided` until it is
         *     known.
         * @enum {string}
         */
        ClientVersion: "v4" | "v3" | "v3-legacy" | "undecided";
        /** @description One TCP connection of a client. */
        Connection: components["schemas"]["Traffic"] & {
            /** @description As the session's client called itself. */
            clientName?: string | null;
            /** @description A text, because it may have more digits than a JavaScript number. */
            id: string;
            ip: string;
            /** Format: int64 */
            openedAt: number;
            /** Format: int32 */
            port: number;
            /** @description Null unless it is a session's WebSocket. */
            sessionId?: string | null;
            /** @description `none` until the client has shown its password. */
            tenant: string;
            tls: boolean;
            /** @description The session's bot. */
            userId?: string | null;
            version: components["schemas"]["ClientVersion"];
        };
        /** @description How many connections there are and were. */
        ConnectionCounts: {
            open: number;
            /**
             * Format: int64
             * @description So far.
             */
            opened: number;
        };
        /** @description A user and its password. */
        Credentials: {
            /** Format: password */
            password: string;
            /** @description `admin` if left out. */
            user?: string | null;
        };
        /** @description The data of the event `delta`. */
        DeltaEvent: {
            /** @description A merge patch (RFC 7396) of the value that the client has. */
            patch: unknown;
            /** Format: int32 */
            watch: number;
        };
        /** @description What became of a wish to disconnect. */
        Disconnected: {
            id: string;
        };
        /** @description What became of a wish to drain or undrain. */
        Drained: {
            name: string;
            /** @description The state then in force. */
            state: components["schemas"]["NodeState"];
        };
        /** @description The data of the event `error`: the resource cannot be had at the moment. */
        ErrorEvent: {
            message: string;
            /**
             * Format: int32
             * @description As a GET would have it.
             */
            status: number;
            /** Format: int32 */
            watch: number;
        };
        /** @description Per second. */
        Flow: {
            /** Format: double */
            bitsIn: number;
            /** Format: double */
            bitsOut: number;
            /** Format: double */
            bytesIn: number;
            /** Format: double */
            bytesOut: number;
            /** Format: double */
            messagesIn: number;
            /** Format: double */
            messagesOut: number;
        };
        /** @description One client address. */
        IpUsage: components["schemas"]["Traffic"] & {
            /** @description Open now. */
            connections: number;
            /** @description Null for all addresses past those that are counted one by one. */
            ip?: string | null;
        };
        /** @description Loads are from 0 to 1. */
        LavalinkCpu: {
            /** Format: int64 */
            cores: number;
            /** Format: double */
            lavalinkLoad: number;
            /** Format: double */
            systemLoad: number;
        };
        /** @description Frames per player and minute. */
        LavalinkFrames: {
            /** Format: int64 */
            deficit: number;
            /** Format: int64 */
            nulled: number;
            /** Format: int64 */
            sent: number;
        };
        /** @description Bytes. */
        LavalinkMemory: {
            /** Format: int64 */
            allocated: number;
            /** Format: int64 */
            free: number;
            /** Format: int64 */
            reservable: number;
            /** Format: int64 */
            used: number;
        };
        /** @description Statistics as Lavalink has them. */
        LavalinkStats: {
            cpu: components["schemas"]["LavalinkCpu"];
            frameStats?: components["schemas"]["LavalinkFrames"] | null;
            memory: components["schemas"]["LavalinkMemory"];
            /** Format: int64 */
            players: number;
            /** Format: int64 */
            playingPlayers: number;
            /**
             * Format: int64
             * @description Milliseconds.
             */
            uptime: number;
        };
        /**
         * @description How somebody logged in.
         * @enum {string}
         */
        LoginMethod: "cookie" | "basic" | "token";
        /** @description A new token. */
        MadeToken: components["schemas"]["Token"] & {
            /** @description What is sent as `Authorization: Bearer ...`. It is shown this once and not kept. */
            token: string;
        };
        /** @description Who somebody is here, and what that allows. */
        Me: {
            method: components["schemas"]["LoginMethod"];
            role: components["schemas"]["Role"];
            /** @description All that is allowed, what is implied included. */
            scopes: components["schemas"]["Scope"][];
            /** @description The user, or the name of the token. */
            user: string;
        };
        /** @description A token that is wanted. */
        NewToken: {
            /**
             * Format: int32
             * @description Left out: it never ends.
             */
            expiresInDays?: number | null;
            /** @description What it is for; 1 to 64 characters that no other token has. */
            name: string;
            /** @description At least one. */
            scopes: components["schemas"]["Scope"][];
        };
        /** @description What is known of one node. */
        Node: components["schemas"]["Traffic"] & {
            /** @description Whether it speaks end-to-end encrypted voice (4.2 and later); null when its version does not tell. */
            dave?: boolean | null;
            generation?: components["schemas"]["NodeGeneration"] | null;
            /** @description The health without regard to draining. */
            health: components["schemas"]["NodeState"];
            lastFailure?: components["schemas"]["NodeFailure"] | null;
            /**
             * Format: double
             * @description Mean of recent probes.
             */
            latencyMs?: number | null;
            /** @description WebSockets open to it. */
            links: number;
            load: components["schemas"]["NodeLoad"];
            name: string;
            /**
             * Format: int32
             * @description Requests under way.
             */
            outstanding: number;
            /**
             * Format: int32
             * @description Placements that its statistics cannot show yet.
             */
            pending: number;
            regions: string[];
            /**
             * Format: int32
             * @description Sessions with a link to it.
             */
            sessions: number;
            /**
             * Format: int64
             * @description Since when the state lasts, to the second.
             */
            since: number;
            state: components["schemas"]["NodeState"];
            stats?: components["schemas"]["LavalinkStats"] | null;
            /** Format: int64 */
            statsAt?: number | null;
            /** @description Without the password. */
            url?: string | null;
            /** @description Its own version text. */
            version?: string | null;
            /** Format: float */
            weight: number;
        };
        /** @description How many nodes are in which state. */
        NodeCounts: {
            degraded: number;
            down: number;
            draining: number;
            healthy: number;
            total: number;
            unknown: number;
        };
        /** @description Why a node failed last. */
        NodeFailure: {
            /** Format: int64 */
            at: number;
            reason: string;
        };
        /**
         * @description What a node speaks, named as clients' versions are.
         * @enum {string}
         */
        NodeGeneration: "v4" | "v3" | "v3-legacy";
        /** @description All nodes, in the order of the configuration. */
        NodeList: {
            items: components["schemas"]["Node"][];
            /**
             * Format: int64
             * @description When the figures were read.
             */
            sampledAt: number;
        };
        /** @description The number that placement compares (the lowest wins), and how it came about. */
        NodeLoad: {
            explanation: string;
            /**
             * Format: double
             * @description Null without recent statistics.
             */
            score?: number | null;
        };
        /**
         * @description What a node is good for: `degraded` is up but failing now and then or slow, `unknown` not probed yet.
         * @enum {string}
         */
        NodeState: "healthy" | "degraded" | "down" | "draining" | "unknown";
        /** @description The whole proxy at a glance. */
        Overview: {
            clientSide: components["schemas"]["ClientSide"];
            connections: components["schemas"]["ConnectionCounts"];
            /** @description Traffic with nodes, probes included; never to be added to the client side. */
            nodeSide: components["schemas"]["Traffic"];
            nodes: components["schemas"]["NodeCounts"];
            /**
             * Format: int64
             * @description Players of all sessions.
             */
            players: number;
            /** @description At least one node takes work, and no shutdown is under way. */
            ready: boolean;
            /** @description Refused requests and sockets closed by the proxy, by reasons that occurred. */
            refusals: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description When the figures were read.
             */
            sampledAt: number;
            sessions: components["schemas"]["SessionCounts"];
            /** Format: int64 */
            startedAt: number;
            /** @description A shutdown is under way. */
            stopping: boolean;
            /** Format: int64 */
            uptimeMs: number;
            /** @description Of the program. */
            version: string;
        };
        /** @description Part of a list. */
        Page_Connection: {
            items: (components["schemas"]["Traffic"] & {
                /** @description As the session's client called itself. */
                clientName?: string | null;
                /** @description A text, because it may have more digits than a JavaScript number. */
                id: string;
                ip: string;
                /** Format: int64 */
                openedAt: number;
                /** Format: int32 */
                port: number;
                /** @description Null unless it is a session's WebSocket. */
                sessionId?: string | null;
                /** @description `none` until the client has shown its password. */
                tenant: string;
                tls: boolean;
                /** @description The session's bot. */
                userId?: string | null;
                version: components["schemas"]["ClientVersion"];
            })[];
            limit: number;
            /** @description Entries that the filters leave. */
            matched: number;
            offset: number;
            /**
             * Format: int64
             * @description When the figures were read.
             */
            sampledAt: number;
        };
        /** @description Part of a list. */
        Page_IpUsage: {
            items: (components["schemas"]["Traffic"] & {
                /** @description Open now. */
                connections: number;
                /** @description Null for all addresses past those that are counted one by one. */
                ip?: string | null;
            })[];
            limit: number;
            /** @description Entries that the filters leave. */
            matched: number;
            offset: number;
            /**
             * Format: int64
             * @description When the figures were read.
             */
            sampledAt: number;
        };
        /** @description Part of a list. */
        Page_Session: {
            items: {
                clientName?: string | null;
                id: string;
                /** @description Null while it has no link. */
                node?: string | null;
                nodeSessionId?: string | null;
                /** Format: int64 */
                openedAt: number;
                /** @description The client is away and may come back. */
                parked: boolean;
                /** Format: int32 */
                players: number;
                /**
                 * Format: int64
                 * @description As the client set it.
                 */
                resumeTimeoutSeconds: number;
                /** @description As the client set it. */
                resuming: boolean;
                tenant: string;
                /** @description A text, because it has more digits than a JavaScript number. */
                userId: string;
                version: components["schemas"]["ClientVersion"];
            }[];
            limit: number;
            /** @description Entries that the filters leave. */
            matched: number;
            offset: number;
            /**
             * Format: int64
             * @description When the figures were read.
             */
            sampledAt: number;
        };
        /** @description Part of a list. */
        Page_TenantUsage: {
            items: (components["schemas"]["Traffic"] & {
                /** @description Open now. */
                connections: number;
                tenant: string;
            })[];
            limit: number;
            /** @description Entries that the filters leave. */
            matched: number;
            offset: number;
            /**
             * Format: int64
             * @description When the figures were read.
             */
            sampledAt: number;
        };
        /** @description Rates over three windows. */
        Rates: {
            minute: components["schemas"]["Flow"];
            second: components["schemas"]["Flow"];
            tenSeconds: components["schemas"]["Flow"];
        };
        /** @description The body of every refusal. */
        Refusal: {
            /** @description The status in words. */
            error: string;
            message: string;
            /** Format: int32 */
            status: number;
        };
        /**
         * @description What people are.
         * @enum {string}
         */
        Role: "viewer" | "admin";
        /**
         * @description One thing that can be allowed. `admin` implies the others.
         * @enum {string}
         */
        Scope: "read" | "metrics" | "operate" | "admin";
        /** @description One session as its client sees it. */
        Session: {
            clientName?: string | null;
            id: string;
            /** @description Null while it has no link. */
            node?: string | null;
            nodeSessionId?: string | null;
            /** Format: int64 */
            openedAt: number;
            /** @description The client is away and may come back. */
            parked: boolean;
            /** Format: int32 */
            players: number;
            /**
             * Format: int64
             * @description As the client set it.
             */
            resumeTimeoutSeconds: number;
            /** @description As the client set it. */
            resuming: boolean;
            tenant: string;
            /** @description A text, because it has more digits than a JavaScript number. */
            userId: string;
            version: components["schemas"]["ClientVersion"];
        };
        /** @description How many sessions there are. */
        SessionCounts: {
            /** @description Versions that occur. */
            byVersion: {
                [key: string]: number;
            };
            /** @description Their client is away and may come back. */
            parked: number;
            total: number;
        };
        /**
         * @description The data of the event `snapshot`: the resource as a GET answers it, but that lists of entries with a name (`id`, `name`,
         *     `ip`, `tenant`, `guildId` or `key`) are `{"$order": [names], "$rows": {name: entry}}`, and what is null is left out.
         */
        SnapshotEvent: {
            value: unknown;
            /**
             * Format: int32
             * @description Which of the watched resources, counted from 0.
             */
            watch: number;
        };
        /** @description One tenant; `none` is what came before a password. */
        TenantUsage: components["schemas"]["Traffic"] & {
            /** @description Open now. */
            connections: number;
            tenant: string;
        };
        /** @description The data of the event `tick`, which comes each second, also when nothing changed. */
        TickEvent: {
            /**
             * Format: int64
             * @description Of the reading that the values are made from.
             */
            at: number;
        };
        /** @description A token, but for what lets in. */
        Token: {
            /** Format: int64 */
            createdAt: number;
            /**
             * Format: int64
             * @description Null if it never ends.
             */
            expiresAt?: number | null;
            id: string;
            /**
             * Format: int64
             * @description To the minute; null if it was never used.
             */
            lastUsedAt?: number | null;
            name: string;
            scopes: components["schemas"]["Scope"][];
        };
        /** @description All tokens, oldest first. */
        TokenList: {
            items: components["schemas"]["Token"][];
        };
        /** @description What something carried so far and carries now. `in` is what the proxy received. */
        Traffic: {
            /**
             * Format: int64
             * @description On the socket, below TLS.
             */
            bytesIn: number;
            /**
             * Format: int64
             * @description On the socket, below TLS.
             */
            bytesOut: number;
            /**
             * Format: int64
             * @description WebSocket messages.
             */
            messagesIn: number;
            /**
             * Format: int64
             * @description WebSocket messages.
             */
            messagesOut: number;
            rates: components["schemas"]["Rates"];
            /**
             * Format: int64
             * @description Received from clients, or sent to nodes.
             */
            requests: number;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getConfig: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As in the file, by section */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getConnections: {
        parameters: {
            query?: {
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
                /** @description Entries that are left out before them. */
                offset?: number;
                /** @description The column to sort by, `-` before it for the largest first. Default: the largest of the first column first. */
                sort?: string;
                /** @description Only this tenant's. */
                tenant?: string;
                /** @description Only from this address. */
                ip?: string;
                /** @description Only of this version. */
                version?: "v4" | "v3" | "v3-legacy" | "undecided";
                /** @description Only those with this text in their address, tenant, session id, client name or user id. */
                q?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_Connection"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    deleteConnectionsId: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The connection's number */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It will be closed */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Disconnected"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getEvents: {
        parameters: {
            query: {
                /** @description A resource with its query, relative to /api/v1, such as `connections?sort=-rate`; 1 to 6 of them */
                watch: string[];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    postLogin: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Credentials"];
            };
        };
        responses: {
            /** @description Logged in */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    postLogout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description There is none any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The one who asks */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getNodes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All nodes */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeList"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    postNodesNameDrain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The node's name */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It drains */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Drained"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    postNodesNameUndrain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The node's name */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It takes work again */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Drained"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getOpenapiJson: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description This document */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getOverview: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Overview"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getSessions: {
        parameters: {
            query?: {
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
                /** @description Entries that are left out before them. */
                offset?: number;
                /** @description The column to sort by, `-` before it for the largest first. Default: the largest of the first column first. */
                sort?: string;
                /** @description Only this tenant's. */
                tenant?: string;
                /** @description Only those on this node. */
                node?: string;
                /** @description Only of this version. */
                version?: "v4" | "v3" | "v3-legacy" | "undecided";
                /** @description Only those whose client is there, or away. */
                state?: "connected" | "parked";
                /** @description Only those with this text in their id, tenant, client name or user id. */
                q?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_Session"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getTokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Oldest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenList"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    postTokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewToken"];
            };
        };
        responses: {
            /** @description With the token, which is shown this once */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MadeToken"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    deleteTokensId: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The token's number */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It lets nobody in any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getUsageIps: {
        parameters: {
            query?: {
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
                /** @description Entries that are left out before them. */
                offset?: number;
                /** @description The column to sort by, `-` before it for the largest first. Default: the largest of the first column first. */
                sort?: string;
                /** @description Only this one. */
                ip?: string;
                /** @description Only those with this text in them. */
                q?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_IpUsage"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getUsageTenants: {
        parameters: {
            query?: {
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
                /** @description Entries that are left out before them. */
                offset?: number;
                /** @description The column to sort by, `-` before it for the largest first. Default: the largest of the first column first. */
                sort?: string;
                /** @description Only this one. */
                tenant?: string;
                /** @description Only those with this text in their name. */
                q?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_TenantUsage"];
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getHealthz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenMetrics */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text": string;
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
    getReadyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description At least one node takes work */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description None does, or the proxy is shutting down */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description A refusal */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
        };
    };
}
