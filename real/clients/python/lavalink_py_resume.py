"""lavalink.py 5 with a session id that its bot has kept.

By itself it asks for a new session when its connection was cut. It resumes for a bot that was started again and gives
`add_node` the id of before; then also when the connection is cut, which the test does after `play`.
"""

import lavalink

from life import INPUT, RESUMING_STEPS, VOLUME, Events, expect, run, voice_packets


class Life:
    """One bot's life; see life.py."""

    def _client(self, session=None):
        self.events = Events()
        self.client = lavalink.Client(INPUT.user)
        self.client.add_event_hook(self._dispatch)
        self.ready_again = self.events.next("NodeReadyEvent")
        self.node = self.client.add_node(INPUT.host, INPUT.port, INPUT.password, "eu", "node", session_id=session)

    async def _dispatch(self, event):
        self.events.dispatch(type(event).__name__, event)

    async def connect(self):
        self._client()

    async def ready(self):
        (event,) = await self.ready_again
        await self.node.update_session(resuming=True, timeout=30)
        return {"session": event.session_id, "resumed": event.resumed}

    async def play(self):
        track = (await self.client.get_tracks(INPUT.identifier)).tracks[0]
        player = self.client.player_manager.create(INPUT.guild)
        for packet in voice_packets():
            await self.client.voice_update_handler(packet)
        playing = self.events.next("PlayerUpdateEvent", lambda event: event.connected and (event.position or 0) > 0)
        await player.play(track)
        await playing
        # The bot ends and is started again.
        session = self.node.session_id
        await self.client.close()
        self._client(session)
        (event,) = await self.ready_again
        expect("resumed by the bot that was started again", event.resumed, True)
        self.ready_again = self.events.next("NodeReadyEvent")

    async def resumed(self):
        (event,) = await self.ready_again
        players = await self.node.get_players()
        return {"session": event.session_id, "resumed": event.resumed, "players": len(players)}

    async def volume(self):
        await self.node.update_player(INPUT.guild, volume=VOLUME)
        expect("volume", (await self.node.get_player(INPUT.guild))["volume"], VOLUME)

    async def disconnect(self):
        await self.node.destroy_player(INPUT.guild)
        expect("players", list(await self.node.get_players()), [])
        await self.client.close()


run(Life(), RESUMING_STEPS)
