// Plays for the demo with shoukaku 4: one track, over and over, until it is ended. Prints `{"session": ID}` when the track
// has started. It has no steps and is no test; those are in shoukaku.mjs.
import { Shoukaku } from 'shoukaku';

import { input, next } from './life.mjs';
import { StubConnector } from './shoukaku-connector.mjs';

const connector = new StubConnector({});
const shoukaku = new Shoukaku(connector, [], { voiceConnectionTimeout: 10 });
shoukaku.on('error', (name, error) => console.error(name, error));
const ready = next(shoukaku, 'ready');
connector.listen([{ name: 'node', url: `${input.host}:${input.port}`, auth: input.password }]);
await ready;

const node = shoukaku.nodes.get('node');
const { loadType, data } = await node.rest.resolve(input.identifier);
if (loadType !== 'track') throw new Error(`${input.identifier} loads as ${loadType}`);

const player = await shoukaku.joinVoiceChannel({
  guildId: input.guildId,
  channelId: input.voice.channelId,
  shardId: 0,
});
const play = () => player.playTrack({ track: { encoded: data.encoded } });
player.on('end', ({ reason }) => {
  if (reason === 'finished') play();
});
const started = next(player, 'start');
await play();
await started;
console.log(JSON.stringify({ session: node.sessionId }));
