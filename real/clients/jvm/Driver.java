// Drives lavalink-client 3 for the JVM (Lavalink v4) through a bot's full life. See ../README.md for the contract.

import dev.arbjerg.lavalink.client.LavalinkClient;
import dev.arbjerg.lavalink.client.LavalinkNode;
import dev.arbjerg.lavalink.client.Link;
import dev.arbjerg.lavalink.client.NodeOptions;
import dev.arbjerg.lavalink.client.event.ClientEvent;
import dev.arbjerg.lavalink.client.event.PlayerUpdateEvent;
import dev.arbjerg.lavalink.client.event.ReadyEvent;
import dev.arbjerg.lavalink.client.event.TrackEndEvent;
import dev.arbjerg.lavalink.client.event.TrackStartEvent;
import dev.arbjerg.lavalink.client.player.FilterBuilder;
import dev.arbjerg.lavalink.client.player.LavalinkPlayer;
import dev.arbjerg.lavalink.client.player.Track;
import dev.arbjerg.lavalink.client.player.TrackLoaded;
import dev.arbjerg.lavalink.protocol.v4.Message.EmittedEvent.TrackEndEvent.AudioTrackEndReason;
import dev.arbjerg.lavalink.protocol.v4.VoiceState;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import kotlinx.serialization.json.Json;
import kotlinx.serialization.json.JsonObject;
import kotlinx.serialization.json.JsonPrimitive;
import reactor.core.publisher.Mono;

/** One bot's life. The library's events arrive in a queue. */
public final class Driver {
    private static final Duration STEP_WITHIN = Duration.ofSeconds(15);
    private static final long SEEK_MS = 20_000;
    private static final int VOLUME = 40;
    private static final int BAND = 0;
    private static final float GAIN = 0.2f;

    /** A step that is confirmed when it returns. */
    private interface Step {
        void run() throws Exception;
    }

    private final JsonObject input;
    private final long guild;
    private final BlockingQueue<ClientEvent> events = new LinkedBlockingQueue<>();
    private LavalinkClient client;
    private LavalinkNode node;
    private Link link;
    private Track track;

    private Driver(JsonObject input) {
        this.input = input;
        this.guild = Long.parseLong(text(input, "guildId"));
    }

    public static void main(String[] arguments) {
        Driver driver = new Driver((JsonObject) Json.Default.parseToJsonElement(arguments[0]));
        step("connect", driver::connect);
        step("ready", driver::ready);
        step("load", driver::load);
        step("create", driver::create);
        step("play", driver::play);
        step("position", driver::position);
        step("pause", driver::pause);
        step("seek", driver::seek);
        step("volume", driver::volume);
        step("filter", driver::filter);
        step("stop", driver::stop);
        step("destroy", driver::destroy);
        step("disconnect", driver::disconnect);
        // The library's threads would keep the process alive.
        System.exit(0);
    }

    private static void step(String name, Step step) {
        try {
            step.run();
        } catch (Exception | LinkageError | AssertionError error) {
            System.err.println("step " + name + " failed:");
            error.printStackTrace();
            System.exit(1);
        }
        System.out.println("{\"step\":\"" + name + "\"}");
    }

    private void connect() {
        client = new LavalinkClient(Long.parseLong(text(input, "userId")));
        client.on(ClientEvent.class).subscribe(events::add);
        String uri = "ws://" + text(input, "host") + ":" + text(input, "port");
        node = client.addNode(new NodeOptions.Builder()
            .setName("node").setServerUri(uri).setPassword(text(input, "password")).build());
        // Twice a second the library dials again while its socket is not open, even when the first handshake is under
        // way; on a busy machine that would make two sessions of one.
        node.getWs().setLastReconnectAttempt(System.currentTimeMillis() + STEP_WITHIN.toMillis());
    }

    private void ready() throws InterruptedException {
        await(ReadyEvent.class, event -> !event.getResumed());
        now(node.enableResuming(Duration.ofSeconds(30)));
    }

    private void load() {
        link = client.getOrCreateLink(guild);
        track = ((TrackLoaded) now(link.loadItem(text(input, "identifier")))).getTrack();
    }

    /** The library sends the voice values in the background, so the step waits for the node to say that it has them. */
    private void create() throws InterruptedException {
        JsonObject voice = (JsonObject) input.get("voice");
        String token = text(voice, "token");
        link.onVoiceServerUpdate(new VoiceState(token, text(voice, "endpoint"), text(voice, "sessionId")));
        await(PlayerUpdateEvent.class, event -> event.getState().getConnected());
        expect("voice token", fetched().getVoiceState().getToken(), token);
    }

    private LavalinkPlayer fetched() {
        return now(node.getPlayers()).stream().filter(player -> player.getGuildId() == guild).findFirst().orElseThrow();
    }

    private void play() throws InterruptedException {
        now(link.createOrUpdatePlayer().setTrack(track));
        await(TrackStartEvent.class, event -> true);
    }

    private void position() throws InterruptedException {
        await(PlayerUpdateEvent.class, event -> event.getState().getConnected() && event.getState().getPosition() > 0);
    }

    private void pause() {
        for (boolean paused : new boolean[] {true, false}) {
            now(link.createOrUpdatePlayer().setPaused(paused));
            expect("paused", fetched().getPaused(), paused);
        }
    }

    private void seek() throws InterruptedException {
        now(link.createOrUpdatePlayer().setPosition(SEEK_MS));
        await(PlayerUpdateEvent.class, event -> event.getState().getPosition() >= SEEK_MS);
    }

    private void volume() {
        now(link.createOrUpdatePlayer().setVolume(VOLUME));
        expect("volume", fetched().getVolume(), VOLUME);
    }

    private void filter() {
        now(link.createOrUpdatePlayer().setFilters(new FilterBuilder().setEqualizerBand(BAND, GAIN).build()));
        boolean kept = fetched().getFilters().toString().contains("band=" + BAND + ", gain=" + GAIN);
        expect("equalizer in " + fetched().getFilters(), kept, true);
    }

    private void stop() throws InterruptedException {
        now(link.createOrUpdatePlayer().stopTrack());
        await(TrackEndEvent.class, event -> event.getEndReason() == AudioTrackEndReason.STOPPED);
    }

    private void destroy() {
        now(link.destroy());
        expect("players", now(node.getPlayers()).size(), 0);
    }

    private void disconnect() {
        client.close();
        expect("available", node.getAvailable(), false);
    }

    /** Waits for an event that passes. Events before it are dropped: each step knows what it waits for. */
    private <E extends ClientEvent> void await(Class<E> type, Predicate<E> passes) throws InterruptedException {
        long deadline = System.nanoTime() + STEP_WITHIN.toNanos();
        while (true) {
            ClientEvent event = events.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
            if (event == null) {
                throw new AssertionError("no " + type.getSimpleName());
            }
            if (type.isInstance(event) && passes.test(type.cast(event))) {
                return;
            }
        }
    }

    private static <T> T now(Mono<T> answer) {
        return answer.block(STEP_WITHIN);
    }

    private static void expect(String what, Object actual, Object expected) {
        if (!Objects.equals(actual, expected)) {
            throw new AssertionError(what + " is " + actual + ", not " + expected);
        }
    }

    private static String text(JsonObject object, String key) {
        return ((JsonPrimitive) object.get(key)).getContent();
    }
}
