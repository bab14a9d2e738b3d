"""wavelink 3, which turns resuming on by itself: the test cuts its connection after `play`, and it resumes its session."""

import wavelink

from life import INPUT, RESUMING_STEPS, VOLUME, StubDiscord, expect, run


class Life:
    """One bot's life; see life.py."""

    async def connect(self):
        self.discord = StubDiscord()
        self.events = self.discord.events
        self.ready_again = self.events.next("wavelink_node_ready")
        uri = f"http://{INPUT.host}:{INPUT.port}"
        self.node = wavelink.Node(
            identifier="node", uri=uri, password=INPUT.password, inactive_channel_tokens=None, resume_timeout=30
        )
        await wavelink.Pool.connect(nodes=[self.node], client=self.discord)

    async def ready(self):
        (payload,) = await self.ready_again
        return {"session": payload.session_id, "resumed": payload.resumed}

    async def play(self):
        (track,) = await wavelink.Playable.search(INPUT.identifier, source=None)
        self.player = wavelink.Player(self.discord, self.discord.channel)
        self.discord.player = self.player
        await self.player.connect(timeout=10, reconnect=False)
        playing = self.events.next("wavelink_player_update", lambda payload: payload.connected and payload.position > 0)
        await self.player.play(track)
        await playing
        self.ready_again = self.events.next("wavelink_node_ready")

    async def resumed(self):
        (payload,) = await self.ready_again
        players = await self.node.fetch_players()
        return {"session": payload.session_id, "resumed": payload.resumed, "players": len(players)}

    async def volume(self):
        await self.player.set_volume(VOLUME)
        expect("volume", (await self.node.fetch_player_info(INPUT.guild)).volume, VOLUME)

    async def disconnect(self):
        await self.player.disconnect()
        expect("players", await self.node.fetch_players(), [])


run(Life(), RESUMING_STEPS)
