// Shoukaku 4 with `resume`: the test cuts its connection after `play`, and it resumes its session by itself.
import { Shoukaku } from 'shoukaku';

import { RESUMING_STEPS, VOLUME, expect, input, next, run } from './life.mjs';
import { StubConnector } from './shoukaku-connector.mjs';

const connector = new StubConnector({});
const options = { resume: true, resumeTimeout: 30, voiceConnectionTimeout: 10, reconnectInterval: 1 };
let shoukaku, ready, node, player, again;

await run({
  async connect() {
    shoukaku = new Shoukaku(connector, [], options);
    shoukaku.on('error', (name, error) => console.error(name, error));
    ready = next(shoukaku, 'ready');
    connector.listen([{ name: 'node', url: `${input.host}:${input.port}`, auth: input.password }]);
  },
  async ready() {
    const [, resumed] = await ready;
    node = shoukaku.nodes.get('node');
    return { session: node.sessionId, resumed };
  },
  async play() {
    const { data } = await node.rest.resolve(input.identifier);
    player = await shoukaku.joinVoiceChannel({ guildId: input.guildId, channelId: input.voice.channelId, shardId: 0 });
    const playing = next(player, 'update', ({ state }) => state.connected && state.position > 0);
    await player.playTrack({ track: { encoded: data.encoded } });
    await playing;
    again = next(shoukaku, 'ready');
  },
  async resumed() {
    const [, resumed] = await again;
    const players = await node.rest.getPlayers();
    return { session: node.sessionId, resumed, players: players.length };
  },
  async volume() {
    await player.setGlobalVolume(VOLUME);
    expect('volume', (await node.rest.getPlayer(input.guildId)).volume, VOLUME);
  },
  async disconnect() {
    await shoukaku.leaveVoiceChannel(input.guildId);
    expect('players', await node.rest.getPlayers(), []);
  },
}, RESUMING_STEPS);
