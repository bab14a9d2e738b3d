module lavalink-proxy/real/go

go 1.22

require (
	github.com/disgoorg/disgolink/v3 v3.1.0
	github.com/disgoorg/snowflake/v2 v2.0.3
)

require (
	github.com/disgoorg/json v1.2.0 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
)
