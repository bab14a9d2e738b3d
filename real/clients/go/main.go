// Drives disgolink 3 (Lavalink v4) through a bot's full life. See ../README.md for the contract.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/disgoorg/disgolink/v3/disgolink"
	"github.com/disgoorg/disgolink/v3/lavalink"
	"github.com/disgoorg/snowflake/v2"
)

const (
	stepWithin = 15 * time.Second
	seek       = 20 * lavalink.Second
	volume     = 40
	band       = 0
	gain       = 0.2
)

// input is what the test tells this driver.
type input struct {
	Host       string       `json:"host"`
	Port       int          `json:"port"`
	Password   string       `json:"password"`
	UserID     snowflake.ID `json:"userId"`
	GuildID    snowflake.ID `json:"guildId"`
	Identifier string       `json:"identifier"`
	Voice      struct {
		Token     string       `json:"token"`
		Endpoint  string       `json:"endpoint"`
		SessionID string       `json:"sessionId"`
		ChannelID snowflake.ID `json:"channelId"`
	} `json:"voice"`
}

// life is one bot's life. The library's messages arrive in events.
type life struct {
	input
	client disgolink.Client
	node   disgolink.Node
	track  lavalink.Track
	player disgolink.Player
	events chan lavalink.Message
}

func main() {
	var l life
	if len(os.Args) != 2 {
		fail("input", errors.New("one argument is needed: the input as JSON"))
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &l.input); err != nil {
		fail("input", err)
	}
	l.events = make(chan lavalink.Message, 1024)
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"connect", l.connect}, {"ready", l.ready}, {"load", l.load}, {"create", l.create}, {"play", l.play},
		{"position", l.position}, {"pause", l.pause}, {"seek", l.seek}, {"volume", l.volume}, {"filter", l.filter},
		{"stop", l.stop}, {"destroy", l.destroy}, {"disconnect", l.disconnect},
	}
	for _, step := range steps {
		ctx, cancel := context.WithTimeout(context.Background(), stepWithin)
		err := step.run(ctx)
		cancel()
		if err != nil {
			fail(step.name, err)
		}
		fmt.Printf("{\"step\":%q}\n", step.name)
	}
}

func fail(step string, err error) {
	fmt.Fprintf(os.Stderr, "step %s failed: %v\n", step, err)
	os.Exit(1)
}

func (l *life) connect(ctx context.Context) error {
	l.client = disgolink.New(l.UserID, disgolink.WithListenerFunc(func(_ disgolink.Player, message lavalink.Message) {
		l.events <- message
	}))
	var err error
	l.node, err = l.client.AddNode(ctx, disgolink.NodeConfig{
		Name:     "node",
		Address:  net.JoinHostPort(l.Host, strconv.Itoa(l.Port)),
		Password: l.Password,
	})
	return err
}

// The library has read the node's ready message when AddNode returns.
func (l *life) ready(ctx context.Context) error {
	if l.node.SessionID() == "" {
		return errors.New("no session id")
	}
	resuming, timeout := true, 30
	return l.node.Update(ctx, lavalink.SessionUpdate{Resuming: &resuming, Timeout: &timeout})
}

func (l *life) load(ctx context.Context) error {
	result, err := l.node.LoadTracks(ctx, l.Identifier)
	if err != nil {
		return err
	}
	track, ok := result.Data.(lavalink.Track)
	if !ok {
		return fmt.Errorf("load type is %s", result.LoadType)
	}
	l.track = track
	return nil
}

func (l *life) create(ctx context.Context) error {
	l.player = l.client.Player(l.GuildID)
	l.client.OnVoiceStateUpdate(ctx, l.GuildID, &l.Voice.ChannelID, l.Voice.SessionID)
	l.client.OnVoiceServerUpdate(ctx, l.GuildID, l.Voice.Token, l.Voice.Endpoint)
	player, err := l.fetched(ctx)
	if err != nil {
		return err
	}
	return expect("voice token", player.Voice.Token, l.Voice.Token)
}

func (l *life) fetched(ctx context.Context) (*lavalink.Player, error) {
	return l.node.Rest().Player(ctx, l.node.SessionID(), l.GuildID)
}

func (l *life) play(ctx context.Context) error {
	if err := l.player.Update(ctx, lavalink.WithTrack(l.track)); err != nil {
		return err
	}
	return l.until(ctx, func(message lavalink.Message) bool {
		_, started := message.(lavalink.TrackStartEvent)
		return started
	})
}

func (l *life) position(ctx context.Context) error {
	return l.until(ctx, func(message lavalink.Message) bool {
		update, ok := message.(lavalink.PlayerUpdateMessage)
		return ok && update.State.Connected && update.State.Position > 0
	})
}

func (l *life) pause(ctx context.Context) error {
	for _, paused := range []bool{true, false} {
		if err := l.player.Update(ctx, lavalink.WithPaused(paused)); err != nil {
			return err
		}
		player, err := l.fetched(ctx)
		if err != nil {
			return err
		}
		if err := expect("paused", player.Paused, paused); err != nil {
			return err
		}
	}
	return nil
}

func (l *life) seek(ctx context.Context) error {
	if err := l.player.Update(ctx, lavalink.WithPosition(seek)); err != nil {
		return err
	}
	return l.until(ctx, func(message lavalink.Message) bool {
		update, ok := message.(lavalink.PlayerUpdateMessage)
		return ok && update.State.Position >= seek
	})
}

func (l *life) volume(ctx context.Context) error {
	if err := l.player.Update(ctx, lavalink.WithVolume(volume)); err != nil {
		return err
	}
	player, err := l.fetched(ctx)
	if err != nil {
		return err
	}
	return expect("volume", player.Volume, volume)
}

func (l *life) filter(ctx context.Context) error {
	equalizer := lavalink.Equalizer{band: gain}
	if err := l.player.Update(ctx, lavalink.WithFilters(lavalink.Filters{Equalizer: &equalizer})); err != nil {
		return err
	}
	player, err := l.fetched(ctx)
	if err != nil {
		return err
	}
	if player.Filters.Equalizer == nil || math.Abs(float64(player.Filters.Equalizer[band])-gain) > 0.001 {
		return fmt.Errorf("equalizer is %v", player.Filters.Equalizer)
	}
	return nil
}

func (l *life) stop(ctx context.Context) error {
	if err := l.player.Update(ctx, lavalink.WithNullTrack()); err != nil {
		return err
	}
	return l.until(ctx, func(message lavalink.Message) bool {
		ended, ok := message.(lavalink.TrackEndEvent)
		return ok && ended.Reason == lavalink.TrackEndReasonStopped
	})
}

func (l *life) destroy(ctx context.Context) error {
	if err := l.player.Destroy(ctx); err != nil {
		return err
	}
	players, err := l.node.Rest().Players(ctx, l.node.SessionID())
	if err != nil {
		return err
	}
	return expect("players", len(players), 0)
}

func (l *life) disconnect(context.Context) error {
	l.node.Close()
	return expect("status", l.node.Status(), disgolink.StatusDisconnected)
}

// until waits for a message that passes. Messages before it are dropped: each step knows what it waits for.
func (l *life) until(ctx context.Context, passes func(lavalink.Message) bool) error {
	for {
		select {
		case message := <-l.events:
			if passes(message) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func expect[T comparable](what string, actual, expected T) error {
	if actual != expected {
		return fmt.Errorf("%s is %v, not %v", what, actual, expected)
	}
	return nil
}
