// Plays in many guilds at once with shoukaku 4, until it is ended. Prints `{"session": ID}` when a track has started in
// every guild, and a line `{"said": EVENT, ...}` for all that the library tells its bot, from the first moment on. It has
// no steps.
import { Shoukaku } from 'shoukaku';

import { input, next, seats } from './life.mjs';
import { StubConnector } from './shoukaku-connector.mjs';

const say = (said, details) => console.log(JSON.stringify({ said, ...details }));

const connector = new StubConnector({});
const shoukaku = new Shoukaku(connector, [], { resume: true, resumeTimeout: 30, voiceConnectionTimeout: 60 });
for (const event of ['ready', 'error', 'close', 'disconnect', 'reconnecting']) {
  shoukaku.on(event, (_name, ...details) => say(event, { details: details.map(String) }));
}
const ready = next(shoukaku, 'ready');
connector.listen([{ name: 'node', url: `${input.host}:${input.port}`, auth: input.password }]);
await ready;

const node = shoukaku.nodes.get('node');
const { loadType, data } = await node.rest.resolve(input.identifier);
if (loadType !== 'track') throw new Error(`${input.identifier} loads as ${loadType}`);

for (const { guildId, voice } of seats) {
  const player = await shoukaku.joinVoiceChannel({ guildId, channelId: voice.channelId, shardId: 0 });
  for (const event of ['start', 'end', 'stuck', 'exception', 'closed']) {
    player.on(event, (details) => say(event, { guildId, reason: details?.reason, code: details?.code }));
  }
  const started = next(player, 'start');
  await player.playTrack({ track: { encoded: data.encoded } });
  await started;
}
console.log(JSON.stringify({ session: node.sessionId }));
