// Made by `npm run types` from docs/reference/openapi.json. Not to be edited.

export interface paths {
    "/api/v1/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Alerts, newest first
         * @description Without alerts in the configuration the list is empty.
         */
        get: operations["getAlerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/rules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The rules as they are in force */
        get: operations["getAlertsRules"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a test message to every receiver
         * @description It waits for their answers, at most ten seconds.
         */
        post: operations["postAlertsTest"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/{id}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Take note of an alert
         * @description Who did first stays; an alert that was acknowledged is not told again.
         */
        post: operations["postAlertsIdAcknowledge"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
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
    "/api/v1/connections/groups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Open connections by tenant, address or version
         * @description Columns: `connections`, `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `rate`.
         */
        get: operations["getConnectionsGroups"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/connections/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Connections that are over */
        get: operations["getConnectionsHistory"];
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
    "/api/v1/migrations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Players that were moved between nodes
         * @description The newest 500 since the program was started. Columns: `at`, `took`, `tries`.
         */
        get: operations["getMigrations"];
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
         * Take a node out of placement, and move its players away
         * @description They move at the pace of the configuration; `nodes` shows how many are left. The node can be stopped when it is empty.
         */
        post: operations["postNodesNameDrain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/nodes/{name}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What became of a node over time */
        get: operations["getNodesNameHistory"];
        put?: never;
        post?: never;
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
        /**
         * Put a node back into placement
         * @description Players come back to it only as new ones are placed, or one by one on request.
         */
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
         * @description Columns: `opened`, `players`, `bytes`, `bytesIn`, `bytesOut`, `messages`, `rate`.
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
    "/api/v1/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One session */
        get: operations["getSessionsId"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions/{id}/players": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The players of a session
         * @description Its nodes are asked, so this takes as long as they do: 5 s at most. A player whose node does not answer is listed
         *     without what it plays.
         */
        get: operations["getSessionsIdPlayers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions/{id}/players/{guild}/move": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Move a player to another node
         * @description It plays on at its place, and its client is not told. The answer waits for what becomes of it, ten seconds at most.
         *     Without a body the best other node takes it.
         */
        post: operations["postSessionsIdPlayersGuildMove"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/settings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What explains the figures */
        get: operations["getSettings"];
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
    "/api/v1/usage/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Usage over time
         * @description What was counted but is not written yet is in it.
         */
        get: operations["getUsageHistory"];
        put?: never;
        post?: never;
        delete?: never;
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
         *     `connections`, `sessions`, `players`.
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
    "/api/v1/usage/sparklines": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Bandwidth over time of many keys, coarsely */
        get: operations["getUsageSparklines"];
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
    "/api/v1/usage/totals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who moved how much over a range
         * @description Up to the last flush of the store. Columns: `bytes`, `bytesIn`, `bytesOut`, `messages`, `requests`, `connectionsOpened`,
         *     `errors`, `players`, `rate` (the busiest second), `key`.
         */
        get: operations["getUsageTotals"];
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
        /** @description Something that is or was unusual. */
        Alert: {
            /** Format: int64 */
            acknowledgedAt?: number | null;
            acknowledgedBy?: string | null;
            /**
             * Format: int64
             * @description Null while it is open.
             */
            clearedAt?: number | null;
            /** Format: int64 */
            id: number;
            /** Format: int64 */
            raisedAt: number;
            /** @description One of those in `alerts/rules`. */
            rule: string;
            severity: components["schemas"]["Severity"];
            /**
             * @description An address, a node, a tenant or a reason by its name; `(proxy)` for the proxy itself, `(others)` for those past
             *     the number that are told one by one.
             */
            subject: string;
            /** @description What happened, as a sentence with the subject in it. */
            text: string;
            /**
             * Format: double
             * @description What it was compared with.
             */
            threshold: number;
            /** Format: int64 */
            updatedAt: number;
            /**
             * Format: double
             * @description The figure that was judged, as last seen above the threshold.
             */
            value: number;
        };
        /** @description How many alerts are open. */
        AlertCounts: {
            open: number;
            /** @description Of those, the ones that nobody has acknowledged. */
            unacknowledged: number;
        };
        /** @description Alerts, newest first. */
        AlertList: {
            items: components["schemas"]["Alert"][];
        };
        /** @description A rule as it is in force. */
        AlertRule: {
            enabled: boolean;
            name: string;
            /** @description What it compares with and waits for, by the names of the configuration. */
            parameters: {
                [key: string]: string;
            };
            /** @description What it watches. */
            summary: string;
        };
        /** @description Every rule. */
        AlertRules: {
            items: components["schemas"]["AlertRule"][];
        };
        /** @description What came of a test, receiver by receiver; the log is the first. */
        AlertTest: {
            results: components["schemas"]["AlertTestResult"][];
        };
        /** @description What came of it for one receiver. */
        AlertTestResult: {
            /** @description Why not; null when it is ok. */
            message?: string | null;
            ok: boolean;
            /** @description The name of the webhook, or `log`. */
            target: string;
        };
        /** @description Why a session, or a player of one, was placed on the node. */
        Choice: {
            /** Format: int64 */
            at: number;
            /** @description Of the player that was placed; null for a session as a whole. */
            guildId?: string | null;
            /** @description Null for a v3 session, whose id came later. */
            sessionId?: string | null;
            why: string;
        };
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
        /** @description A connection that is over. */
        ClosedConnection: {
            /** Format: int64 */
            bytesIn: number;
            /** Format: int64 */
            bytesOut: number;
            clientName?: string | null;
            /** Format: int64 */
            closedAt: number;
            /** @description How it ended, such as `client_closed`, `idle_timeout` or `refused: password_wrong`. */
            ended: string;
            /** @description Its number in the history, not the one that it had while it was open. */
            id: string;
            ip: string;
            /** Format: int64 */
            messagesIn: number;
            /** Format: int64 */
            messagesOut: number;
            /** Format: int64 */
            openedAt: number;
            outcomes: components["schemas"]["Outcomes"];
            /** Format: int32 */
            port: number;
            /** Format: int64 */
            requests: number;
            sessionId?: string | null;
            tenant: string;
            tls: boolean;
            userId?: string | null;
            version?: string | null;
        };
        /** @description A page of connections that are over. */
        ClosedConnections: {
            /** @description Newest first. */
            items: components["schemas"]["ClosedConnection"][];
            /** @description What `before` is for the next page; null on the last one. */
            next?: string | null;
        };
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
        /** @description Where clients connect. */
        ConnectionAddress: {
            /** @description Null if the proxy listens on all addresses and was not told its name. */
            host?: string | null;
            /** Format: int32 */
            port: number;
            tls: boolean;
            /** @description As configured in `server.public_url`. */
            url?: string | null;
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
        /** @description Open connections with something in common, summed up. */
        ConnectionGroup: components["schemas"]["Traffic"] & {
            /** Format: int64 */
            connections: number;
            /** @description The tenant, address or version. */
            key: string;
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
        /** @description How far a drain is. */
        Drain: {
            /**
             * Format: int32
             * @description Players that it found.
             */
            atStart: number;
            /** @description No player is left: the node can be stopped. */
            empty: boolean;
            /**
             * Format: int64
             * @description Since when.
             */
            emptySince?: number | null;
            /**
             * Format: int32
             * @description Players that are left.
             */
            left: number;
            /**
             * Format: float
             * @description So many a second may leave, by the configuration.
             */
            perSecond: number;
            /** Format: int64 */
            since: number;
            /** @description Nodes that could take them now. Without one they stay. */
            targets: number;
            /**
             * Format: int32
             * @description Players of clients that speak v3: they cannot be moved and stay until their client leaves.
             */
            unmovable: number;
        };
        /** @description What became of a wish to drain or undrain. */
        Drained: {
            drain?: components["schemas"]["Drain"] | null;
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
        IpUsage: components["schemas"]["UsageNow"] & components["schemas"]["Traffic"] & {
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
         * @description How busy something is, by its rate over ten seconds, both ways, and `[usage] levels`.
         * @enum {string}
         */
        Level: "quiet" | "normal" | "high" | "extreme";
        /** @description Where a level begins. */
        LevelFrom: {
            /**
             * Format: int64
             * @description Bytes per second, both ways.
             */
            from: number;
            name: components["schemas"]["Level"];
        };
        /** @description A session's WebSocket to one node. */
        Link: {
            node: string;
            /** @description Null while it is opened. */
            nodeSessionId?: string | null;
            /** Format: int32 */
            players: number;
            state: components["schemas"]["LinkState"];
        };
        /**
         * @description Whether a link can be used: it is opened for the first time, is up, or was lost and is being resumed.
         * @enum {string}
         */
        LinkState: "opening" | "up" | "resuming";
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
        /** @description A player that was moved, or was to be. */
        Migration: {
            /**
             * Format: int64
             * @description When it was over.
             */
            at: number;
            /** @description The node where the player was. */
            from: string;
            /** @description A text, because it has more digits than a JavaScript number. */
            guildId: string;
            /**
             * Format: int64
             * @description Grows with time; begins anew with the program.
             */
            id: number;
            outcome: components["schemas"]["MigrationOutcome"];
            reason: components["schemas"]["MigrationReason"];
            sessionId: string;
            /** @description Where it is, or was to go last; null when no node was found. */
            to?: string | null;
            /**
             * Format: int64
             * @description From the decision to the end.
             */
            tookMs: number;
            /**
             * Format: int32
             * @description How often it was tried, on one node or another.
             */
            tries: number;
            /** @description Why that node was chosen. */
            why?: string | null;
        };
        /** @description Players that were to be moved between nodes, since the start. */
        MigrationCounts: {
            /**
             * Format: int64
             * @description That were destroyed before it was over.
             */
            dropped: number;
            /**
             * Format: int64
             * @description That no node took in time.
             */
            failed: number;
            /**
             * Format: int64
             * @description Players that are on another node.
             */
            moved: number;
            /**
             * Format: int64
             * @description That could not be moved and play on where they were.
             */
            stayed: number;
            /** Format: int32 */
            underWay: number;
        };
        /**
         * @description How it ended.
         * @enum {string}
         */
        MigrationOutcome: "moved" | "stayed" | "failed" | "dropped";
        /**
         * @description Why a player moved: its node was lost, came back without the session, is drained, an operator
         *     asked for it, or its voice region became known before it played.
         * @enum {string}
         */
        MigrationReason: "node_down" | "node_restarted" | "drain" | "operator" | "region";
        /** @description What became of a wish to move a player. */
        MoveAnswer: {
            migration?: components["schemas"]["Migration"] | null;
        };
        /** @description Where a player is to go. */
        MoveWish: {
            /** @description The name of a node; left out: the one that placement likes best among the others. */
            to?: string | null;
        };
        /** @description A move that is not over. */
        Moving: {
            reason: components["schemas"]["MigrationReason"];
            /** @description Null while no node is chosen. */
            to?: string | null;
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
            /** @description The last sessions and players that were placed on it and why, newest last. */
            choices: components["schemas"]["Choice"][];
            /** @description Whether it speaks end-to-end encrypted voice (4.2 and later); null when its version does not tell. */
            dave?: boolean | null;
            drain?: components["schemas"]["Drain"] | null;
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
            /** @description Sessions that were left there without a word, because it could not be reached; they are ended when it can be. */
            orphans: number;
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
            /**
             * Format: int64
             * @description Players of all sessions there, as far as requests and answers told.
             */
            players: number;
            /** @description The last probes, newest last. */
            recent: components["schemas"]["ProbeOutcome"][];
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
            uptime: components["schemas"]["Uptime"];
            /** @description Without the password. */
            url?: string | null;
            /** @description Its own version text. */
            version?: string | null;
            /** Format: float */
            weight: number;
        };
        /** @description Why a node was chosen. */
        NodeChoice: {
            /** Format: int64 */
            at: number;
            /** @description Of the player that was placed; null for the session as a whole. */
            guildId?: string | null;
            node: string;
            why: string;
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
        /** @description A node over time, oldest first. */
        NodeHistory: {
            /** @description Steps in which it was probed. */
            probes: components["schemas"]["ProbeStep"][];
            /** @description Changes of state, the newest 1000 of the range. */
            states: components["schemas"]["StateChange"][];
        };
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
        /** @description Requests by the class of their answer. */
        Outcomes: {
            /**
             * Format: int64
             * @description 4xx.
             */
            clientError: number;
            /**
             * Format: int64
             * @description Below 400; the 101 of a WebSocket is one.
             */
            ok: number;
            /**
             * Format: int64
             * @description 5xx.
             */
            serverError: number;
        };
        /** @description The whole proxy at a glance. */
        Overview: {
            /** @description What is unusual now. */
            alerts: components["schemas"]["AlertCounts"];
            clientSide: components["schemas"]["ClientSide"];
            connections: components["schemas"]["ConnectionCounts"];
            /** @description What became of players that were to be moved. */
            migrations: components["schemas"]["MigrationCounts"];
            /** @description Traffic with nodes, probes included; never to be added to the client side. */
            nodeSide: components["schemas"]["Traffic"];
            nodes: components["schemas"]["NodeCounts"];
            /** @description Sessions that were left on nodes without a word; they are ended when the nodes can be reached. */
            orphans: number;
            /**
             * Format: int64
             * @description Players of all sessions.
             */
            players: number;
            /**
             * Format: int64
             * @description Those that play something, by the nodes' own statistics; null when no node that is up has told them.
             */
            playersPlaying?: number | null;
            /**
             * Format: int64
             * @description Those that have no node at the moment: their requests wait.
             */
            playersWaiting: number;
            /** @description What is wrong now, worst first. */
            problems: components["schemas"]["Problem"][];
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
        Page_ConnectionGroup: {
            items: (components["schemas"]["Traffic"] & {
                /** Format: int64 */
                connections: number;
                /** @description The tenant, address or version. */
                key: string;
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
            items: (components["schemas"]["UsageNow"] & components["schemas"]["Traffic"] & {
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
        Page_Migration: {
            items: {
                /**
                 * Format: int64
                 * @description When it was over.
                 */
                at: number;
                /** @description The node where the player was. */
                from: string;
                /** @description A text, because it has more digits than a JavaScript number. */
                guildId: string;
                /**
                 * Format: int64
                 * @description Grows with time; begins anew with the program.
                 */
                id: number;
                outcome: components["schemas"]["MigrationOutcome"];
                reason: components["schemas"]["MigrationReason"];
                sessionId: string;
                /** @description Where it is, or was to go last; null when no node was found. */
                to?: string | null;
                /**
                 * Format: int64
                 * @description From the decision to the end.
                 */
                tookMs: number;
                /**
                 * Format: int32
                 * @description How often it was tried, on one node or another.
                 */
                tries: number;
                /** @description Why that node was chosen. */
                why?: string | null;
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
        Page_Session: {
            items: (components["schemas"]["Traffic"] & {
                clientName?: string | null;
                /** @description The connection of its WebSocket, whose traffic this is. */
                connectionId?: string | null;
                id: string;
                /** @description Null while the client is away. */
                ip?: string | null;
                /** @description The node of what belongs to no player: that of its oldest link. Null while it has no link. */
                node?: string | null;
                nodeSessionId?: string | null;
                /** @description All nodes that it has links to. */
                nodes: string[];
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
        Page_TenantUsage: {
            items: (components["schemas"]["UsageNow"] & components["schemas"]["Traffic"] & {
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
        /** @description Part of a list. */
        Page_UsageTotal: {
            items: {
                /** Format: int64 */
                bytesIn: number;
                /** Format: int64 */
                bytesOut: number;
                /** Format: int64 */
                connectionsOpened: number;
                key: string;
                /** Format: int64 */
                maxConnections: number;
                /** Format: int64 */
                maxPlayers: number;
                /**
                 * Format: int64
                 * @description Bytes per second over the busiest second.
                 */
                maxRateIn: number;
                /**
                 * Format: int64
                 * @description Bytes per second over the busiest second.
                 */
                maxRateOut: number;
                /** Format: int64 */
                maxSessions: number;
                /**
                 * Format: int64
                 * @description Bytes per second over the range.
                 */
                meanRateIn: number;
                /**
                 * Format: int64
                 * @description Bytes per second over the range.
                 */
                meanRateOut: number;
                /** Format: int64 */
                messagesIn: number;
                /** Format: int64 */
                messagesOut: number;
                outcomes: components["schemas"]["Outcomes"];
                /** Format: int64 */
                requests: number;
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
        /** @description One guild's player. */
        Player: {
            /** @description To the voice server. */
            connected: boolean;
            /** @description Names of the filters in force. */
            filters: string[];
            /** @description A text, because it has more digits than a JavaScript number. */
            guildId: string;
            moving?: components["schemas"]["Moving"] | null;
            /** @description The node that it is on; null while it has none. */
            node?: string | null;
            paused: boolean;
            /** Format: int64 */
            pingMs?: number | null;
            /** Format: int64 */
            positionMs?: number | null;
            track?: components["schemas"]["Track"] | null;
            /**
             * Format: int64
             * @description Null while its node does not tell.
             */
            volume?: number | null;
        };
        /** @description The players of a session. */
        PlayerList: {
            items: components["schemas"]["Player"][];
        };
        /** @description How a probe went. */
        ProbeOutcome: {
            /** Format: int64 */
            at: number;
            /**
             * Format: double
             * @description Null if it failed.
             */
            latencyMs?: number | null;
            ok: boolean;
            /** @description Null if it did not. */
            reason?: string | null;
        };
        /** @description Probes of some minutes. */
        ProbeStep: {
            /** Format: int64 */
            at: number;
            /** Format: int64 */
            failed: number;
            /** Format: double */
            latencyMaxMs?: number | null;
            /**
             * Format: double
             * @description Of those that were ok; null if none was.
             */
            latencyMeanMs?: number | null;
            /** Format: int64 */
            ok: number;
            /** Format: int64 */
            stepMs: number;
        };
        /** @description Something that is wrong, and who has to do with it. */
        Problem: {
            kind: components["schemas"]["ProblemKind"];
            message: string;
            /** @description Null if it is not about one node. */
            node?: string | null;
            /**
             * Format: int64
             * @description Their players there.
             */
            players: number;
            /**
             * Format: int64
             * @description Sessions with a link there; of `no_node` all.
             */
            sessions: number;
            /**
             * Format: int64
             * @description Null if that is not known.
             */
            since?: number | null;
        };
        /**
         * @description Worst first.
         * @enum {string}
         */
        ProblemKind: "no_node" | "node_down" | "store" | "node_degraded" | "node_draining";
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
        Session: components["schemas"]["Traffic"] & {
            clientName?: string | null;
            /** @description The connection of its WebSocket, whose traffic this is. */
            connectionId?: string | null;
            id: string;
            /** @description Null while the client is away. */
            ip?: string | null;
            /** @description The node of what belongs to no player: that of its oldest link. Null while it has no link. */
            node?: string | null;
            nodeSessionId?: string | null;
            /** @description All nodes that it has links to. */
            nodes: string[];
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
        /** @description One session, with all that is known of it. */
        SessionDetail: components["schemas"]["Session"] & {
            choice?: components["schemas"]["NodeChoice"] | null;
            /** @description Its WebSockets to nodes, in the order in which they were opened. */
            links: components["schemas"]["Link"][];
            /**
             * Format: int32
             * @description Players without a node at the moment: their requests wait.
             */
            waiting: number;
        };
        /** @description See the module. */
        Settings: {
            /** @description Whether unusual use is watched for. */
            alerts: boolean;
            connection: components["schemas"]["ConnectionAddress"];
            /** @description Whether history is kept. */
            history: boolean;
            levels: components["schemas"]["LevelFrom"][];
            /** @description Whether there is a public status page. */
            status: boolean;
            /** @description Names of the tenants. */
            tenants: string[];
            /** @description Of the program. */
            version: string;
        };
        /**
         * @description How bad it is.
         * @enum {string}
         */
        Severity: "warning" | "critical";
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
        /** @description What each key moved lately, for a small picture. */
        Sparklines: {
            /** Format: int64 */
            from: number;
            /** @description By key: bytes per second, both ways, a number for each step. */
            series: {
                [key: string]: number[];
            };
            /** Format: int64 */
            stepMs: number;
        };
        /** @description A node changed its state. */
        StateChange: {
            /** Format: int64 */
            at: number;
            from: string;
            to: string;
            why: string;
        };
        /** @description One tenant; `none` is what came before a password. */
        TenantUsage: components["schemas"]["UsageNow"] & components["schemas"]["Traffic"] & {
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
        /** @description What a player plays. */
        Track: {
            author: string;
            isStream: boolean;
            /** Format: int64 */
            lengthMs: number;
            sourceName: string;
            title: string;
            uri?: string | null;
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
            /** @description Of the requests that were answered; the others are under way, or were given up. */
            outcomes: components["schemas"]["Outcomes"];
            rates: components["schemas"]["Rates"];
            /**
             * Format: int64
             * @description Received from clients, or sent to nodes.
             */
            requests: number;
        };
        /** @description Shares from 0 to 1; null while nothing is known. Times in which the proxy did not run do not count. */
        Uptime: {
            /** Format: double */
            day?: number | null;
            /**
             * Format: double
             * @description The last 30 days.
             */
            month?: number | null;
        };
        /** @description Usage over time. */
        UsageHistory: {
            /** Format: int64 */
            from: number;
            key: string;
            /** @description Oldest first, without a gap. The first and the last show only their part of the range. */
            points: components["schemas"]["UsagePoint"][];
            scope: components["schemas"]["UsageScope"];
            /** Format: int64 */
            stepMs: number;
            /** Format: int64 */
            to: number;
        };
        /** @description What there is now. */
        UsageNow: {
            /**
             * Format: int64
             * @description Open now.
             */
            connections: number;
            level: components["schemas"]["Level"];
            /** Format: int64 */
            players: number;
            /**
             * Format: int64
             * @description Of an address only those whose client is there.
             */
            sessions: number;
        };
        /** @description One step: sums, and the most at one time. */
        UsagePoint: {
            /**
             * Format: int64
             * @description Its start.
             */
            at: number;
            /** Format: int64 */
            bytesIn: number;
            /** Format: int64 */
            bytesOut: number;
            /** Format: int64 */
            clientError: number;
            /**
             * Format: int64
             * @description The most at one time.
             */
            connections: number;
            /** Format: int64 */
            connectionsOpened: number;
            /**
             * Format: int64
             * @description The highest rate over a second, in bytes per second.
             */
            maxRateIn: number;
            /**
             * Format: int64
             * @description The highest rate over a second, in bytes per second.
             */
            maxRateOut: number;
            /** Format: int64 */
            messagesIn: number;
            /** Format: int64 */
            messagesOut: number;
            /** Format: int64 */
            ok: number;
            /**
             * Format: int64
             * @description The most at one time.
             */
            players: number;
            /** Format: int64 */
            requests: number;
            /** Format: int64 */
            serverError: number;
            /**
             * Format: int64
             * @description The most at one time.
             */
            sessions: number;
        };
        /**
         * @description What usage is summed by.
         * @enum {string}
         */
        UsageScope: "total" | "ip" | "tenant" | "node" | "version";
        /** @description What one key moved over a range. */
        UsageTotal: {
            /** Format: int64 */
            bytesIn: number;
            /** Format: int64 */
            bytesOut: number;
            /** Format: int64 */
            connectionsOpened: number;
            key: string;
            /** Format: int64 */
            maxConnections: number;
            /** Format: int64 */
            maxPlayers: number;
            /**
             * Format: int64
             * @description Bytes per second over the busiest second.
             */
            maxRateIn: number;
            /**
             * Format: int64
             * @description Bytes per second over the busiest second.
             */
            maxRateOut: number;
            /** Format: int64 */
            maxSessions: number;
            /**
             * Format: int64
             * @description Bytes per second over the range.
             */
            meanRateIn: number;
            /**
             * Format: int64
             * @description Bytes per second over the range.
             */
            meanRateOut: number;
            /** Format: int64 */
            messagesIn: number;
            /** Format: int64 */
            messagesOut: number;
            outcomes: components["schemas"]["Outcomes"];
            /** Format: int64 */
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
    getAlerts: {
        parameters: {
            query?: {
                /** @description Those that are open, or all. */
                state?: ("open" | "all") & Record<string, never>;
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
                /** @description Only those with a smaller id: the next page. */
                before?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Alerts */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertList"];
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
    getAlertsRules: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every rule */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertRules"];
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
    postAlertsTest: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What came of it */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertTest"];
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
    postAlertsIdAcknowledge: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The alert's number */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The alert as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alert"];
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
    getConnectionsGroups: {
        parameters: {
            query: {
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
                /** @description Entries that are left out before them. */
                offset?: number;
                /** @description The column to sort by, `-` before it for the largest first. Default: the largest of the first column first. */
                sort?: string;
                by: "tenant" | "ip" | "version";
                /** @description Only those with this text in their key. */
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
                    "application/json": components["schemas"]["Page_ConnectionGroup"];
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
    getConnectionsHistory: {
        parameters: {
            query?: {
                /** @description Only from this address. */
                ip?: string;
                /** @description Only this tenant's. */
                tenant?: string;
                /** @description Only those with this text in what is known of them. */
                q?: string;
                /** @description Only those that were open after this, in milliseconds since 1970. */
                from?: number;
                /** @description Only those that were opened before this. */
                to?: number;
                /** @description The `next` of the page before. */
                before?: number;
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
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
                    "application/json": components["schemas"]["ClosedConnections"];
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
    getMigrations: {
        parameters: {
            query?: {
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
                /** @description Entries that are left out before them. */
                offset?: number;
                /** @description The column to sort by, `-` before it for the largest first. Default: the largest of the first column first. */
                sort?: string;
                /** @description Only this session's. */
                session?: string;
                /** @description Only those of this guild's player. */
                guild?: number;
                /** @description Only those from or to this node. */
                node?: string;
                /** @description Only for this reason. */
                reason?: "node_down" | "node_restarted" | "drain" | "operator" | "region";
                /** @description Only those that ended so. */
                outcome?: "moved" | "stayed" | "failed" | "dropped";
                /** @description `true`: only those that went wrong, whose player stayed or is gone; `false`: only the others. */
                failed?: boolean;
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
                    "application/json": components["schemas"]["Page_Migration"];
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
    getNodesNameHistory: {
        parameters: {
            query?: {
                /** @description Milliseconds since 1970; an hour before `to` if left out. */
                from?: number;
                /** @description Now if left out. */
                to?: number;
            };
            header?: never;
            path: {
                /** @description The node's name */
                name: string;
            };
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
                    "application/json": components["schemas"]["NodeHistory"];
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
                /** @description Only those with a link to this node. */
                node?: string;
                /** @description Only of this version. */
                version?: "v4" | "v3" | "v3-legacy" | "undecided";
                /** @description Only those whose client is there, or away. */
                state?: "connected" | "parked";
                /** @description Only those with this text in their id, tenant, client name, user id or address. */
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
    getSessionsId: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id */
                id: string;
            };
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
                    "application/json": components["schemas"]["SessionDetail"];
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
    getSessionsIdPlayers: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description By guild */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlayerList"];
                };
            };
            /** @description There is no such session */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description Its client speaks v3 ops (`v3-legacy`): its players cannot be asked for */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description It has no node at the moment, or its node does not answer */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
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
    postSessionsIdPlayersGuildMove: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id */
                id: string;
                /** @description The guild's id */
                guild: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["MoveWish"] | null;
            };
        };
        responses: {
            /** @description It is over; `outcome` says how */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MoveAnswer"];
                };
            };
            /** @description It goes on, see `migrations` */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MoveAnswer"];
                };
            };
            /** @description There is no such session or player */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description It is there already, is being moved, or no node takes it at the moment */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
                };
            };
            /** @description There is no such node, or it cannot serve this session */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refusal"];
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
    getSettings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Of this run */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Settings"];
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
    getUsageHistory: {
        parameters: {
            query: {
                scope: "total" | "ip" | "tenant" | "node" | "version";
                /** @description The address, tenant, node or version; left out for the total. */
                key?: string;
                /** @description Milliseconds since 1970; an hour before `to` if left out. */
                from?: number;
                /** @description Now if left out. */
                to?: number;
                /** @description At most so many points, up to 1000. */
                points?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Over the range */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsageHistory"];
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
    getUsageSparklines: {
        parameters: {
            query: {
                scope: "total" | "ip" | "tenant" | "node" | "version";
                /** @description Up to 100 addresses, tenants, nodes or versions, with commas between them. */
                keys: string;
                /** @description Milliseconds since 1970; an hour before `to` if left out. */
                from?: number;
                /** @description Now if left out. */
                to?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description By key */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Sparklines"];
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
    getUsageTotals: {
        parameters: {
            query: {
                /** @description Entries in the answer; at most 1000. */
                limit?: number;
                /** @description Entries that are left out before them. */
                offset?: number;
                /** @description The column to sort by, `-` before it for the largest first. Default: the largest of the first column first. */
                sort?: string;
                scope: "total" | "ip" | "tenant" | "node" | "version";
                /** @description Milliseconds since 1970; an hour before `to` if left out. */
                from?: number;
                /** @description Now if left out. */
                to?: number;
                /** @description Only keys with this text in them. */
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
                    "application/json": components["schemas"]["Page_UsageTotal"];
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
