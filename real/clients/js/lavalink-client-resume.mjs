// lavalink-client 2 with resuming on and the session's id kept in the node's options, as its documentation asks for: the
// test cuts its connection after `play`, and it resumes its session by itself.
import { LavalinkManager } from 'lavalink-client';

import { RESUMING_STEPS, VOLUME, discord, expect, input, next, run } from './life.mjs';

const manager = new LavalinkManager({
  nodes: [{
    id: 'node', host: input.host, port: input.port, authorization: input.password, secure: false, retryDelay: 500,
  }],
  sendToShard: (_guild, payload) => discord(payload, (packet) => manager.sendRawData(packet)),
  client: { id: input.userId, username: 'DriverBot' },
  autoSkip: false,
  playerOptions: { volumeDecrementer: 1, clientBasedPositionUpdateInterval: 0 },
});
manager.nodeManager.on('error', (_node, error) => console.error(error));

let connected, node, player, again;

await run({
  async connect() {
    connected = next(manager.nodeManager, 'connect');
    await manager.init({ id: input.userId, username: 'DriverBot' });
  },
  async ready() {
    await connected;
    node = manager.nodeManager.nodes.get('node');
    while (!node.sessionId || !node.info) await new Promise((resolve) => setTimeout(resolve, 5));
    await node.updateSession(true, 30);
    node.options.sessionId = node.sessionId;
    return { session: node.sessionId, resumed: false };
  },
  async play() {
    const { tracks: [track] } = await node.search({ query: input.identifier, source: 'link' }, { id: '1' });
    const playing = next(manager, 'playerUpdate', (_old, { lastPosition }) => lastPosition > 0);
    player = manager.createPlayer({ guildId: input.guildId, voiceChannelId: input.voice.channelId });
    await player.connect();
    await player.play({ clientTrack: track });
    await playing;
    again = next(manager.nodeManager, 'resumed');
  },
  async resumed() {
    const [, payload, players] = await again;
    return { session: payload.sessionId, resumed: payload.resumed, players: players.length };
  },
  async volume() {
    await player.setVolume(VOLUME);
    expect('volume', (await node.fetchPlayer(input.guildId)).volume, VOLUME);
  },
  async disconnect() {
    await player.destroy('done', true);
    expect('players', await node.fetchAllPlayers(), []);
  },
}, RESUMING_STEPS);
