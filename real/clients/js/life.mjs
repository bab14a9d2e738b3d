// What every JavaScript driver shares: the order of the steps, their deadlines, and a stand-in for Discord's gateway.
// Nothing here talks to Lavalink: that is the library's work. See ../README.md for the contract.

const STEPS = [
  'connect', 'ready', 'load', 'create', 'play', 'position', 'pause', 'seek', 'volume', 'filter', 'stop', 'destroy',
  'disconnect',
];
const STEP_WITHIN_MS = 15_000;

/** The steps of a life in which the test cuts the connection after `play`. */
export const RESUMING_STEPS = ['connect', 'ready', 'play', 'resumed', 'volume', 'disconnect'];

/** What the test told this driver. */
export const input = JSON.parse(process.argv[2]);

/** Every guild to play in, with what Discord says of its voice. */
export const seats = [{ guildId: input.guildId, voice: input.voice }, ...(input.others ?? [])];

/** The values that every driver uses, so that two runs can be compared. */
export const SEEK_MS = 20_000;
export const VOLUME = 40;
// Band 0: lavalink-client sends bands before the one that is set as null.
export const BAND = 0;
export const GAIN = 0.2;

/**
 * Runs `life[step]` for each of `steps` in order; each must resolve only when the step has really happened, with details to
 * print or nothing. Ends the process: with 0 after the last step, with 1 when a step fails or takes too long.
 */
export async function run(life, steps = STEPS) {
  let current;
  try {
    for (const step of steps) {
      current = step;
      const details = await deadline(life[step](), step);
      console.log(JSON.stringify({ step, ...details }));
    }
    process.exit(0);
  } catch (error) {
    console.error(`step ${current} failed:`, error);
    process.exit(1);
  }
}

process.on('unhandledRejection', (error) => {
  console.error('unhandled:', error);
  process.exit(1);
});

function deadline(promise, what) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${what} did not happen`)), STEP_WITHIN_MS).unref();
  });
  return Promise.race([promise, late]);
}

/** The arguments of the next `event` of `emitter` that passes `test`. Call it before the action that causes the event. */
export function next(emitter, event, test = () => true) {
  return new Promise((resolve) => {
    const listener = (...args) => {
      if (!test(...args)) return;
      emitter.off(event, listener);
      resolve(args);
    };
    emitter.on(event, listener);
  });
}

/** Fails a step whose result is not what the step is about. */
export function expect(what, actual, expected) {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
  }
}

/** The two packets that Discord's gateway sends when a bot has joined a voice channel of a guild. */
export function voicePackets(guildId = input.guildId) {
  const { userId } = input;
  const { voice } = seats.find((seat) => seat.guildId === guildId);
  return [
    {
      op: 0,
      t: 'VOICE_STATE_UPDATE',
      d: {
        guild_id: guildId,
        channel_id: voice.channelId,
        user_id: userId,
        session_id: voice.sessionId,
        deaf: false,
        mute: false,
        self_deaf: false,
        self_mute: false,
        self_video: false,
        suppress: false,
        request_to_speak_timestamp: null,
      },
    },
    { op: 0, t: 'VOICE_SERVER_UPDATE', d: { guild_id: guildId, token: voice.token, endpoint: voice.endpoint } },
  ];
}

/**
 * Answers a bot's request to join a channel (op 4) as Discord does, a moment later; a request to leave is not answered.
 * `payload` is what the library sends, `deliver` is how the library wants gateway packets.
 */
export function discord(payload, deliver) {
  if (payload?.op === 4 && payload.d?.channel_id) {
    setImmediate(() => voicePackets(payload.d.guild_id).forEach(deliver));
  }
}
