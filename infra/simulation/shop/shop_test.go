package shop_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"loophub/infra/local"
	"loophub/infra/local/clock"
	"loophub/infra/local/sim"
	"loophub/infra/simulation/shop"
	"loophub/infra/stack/snapshot"
	"loophub/shared/message"
)

var noon = time.Date(2026, 3, 2, 5, 0, 0, 0, time.UTC) // in Saigon

// lan buys, having said that she wants mail.
func lan(s *shop.Shop, now time.Time) []shop.Delivery {
	born := now.Add(-time.Hour)
	lan := shop.Customer{ID: 1, Email: "lan@example.vn", First: "Lan", City: "Huế", Consent: "subscribed", ConsentAt: born,
		Born: born, Updated: born}
	order := shop.Order{ID: 11, Customer: &lan, Email: lan.Email, Total: 120_000, Placed: now, Updated: now}
	return []shop.Delivery{s.Customer(lan), s.Order(order), s.Junk(0),
		s.Form(map[string]string{"email": "Lan@Example.vn", "newsletter": "on"})}
}

// settled says what is wrong with what became of lan's deliveries half an hour later.
func settled(t *testing.T, s *shop.Shop) {
	t.Helper()
	r, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	parked, sent, members := 0, 0, 0
	for _, d := range r.Inbox {
		if d.Why != "" {
			parked++
		}
	}
	for _, m := range r.Messages {
		if m.Is(message.Sent) {
			sent++
		}
	}
	for _, m := range r.Memberships {
		members += len(m.Segments)
	}
	if len(r.Inbox) < 4 || parked != 1 || len(r.Facts) < 3 {
		t.Errorf("%d deliveries, %d parked, %d facts", len(r.Inbox), parked, len(r.Facts))
	}
	if sent == 0 || members != 5 || len(r.Ledgers) != 1 || len(r.Used) != 1 {
		t.Errorf("%d sent, %d memberships, %d ledgers, %d codes", sent, members, len(r.Ledgers), len(r.Used))
	}
	if mails := len(s.Cloud.Outbox().Mails()); mails != sent {
		t.Errorf("%d mails, %d messages", mails, sent)
	}
	if c, ok := s.CRM.Contact("lan@example.vn"); !ok || c.Properties["city"] != "Huế" {
		t.Errorf("the contact %v", c)
	}
}

// TestLive: on a clock that stands, as fast as the machine is.
func TestLive(t *testing.T) {
	c := clock.Stopped(noon)
	outside := &shop.Outside{Now: c.Now}
	options := local.Options{Handlers: outside.Handlers(), Clock: c, Front: shop.Address + "/"}
	cloud, err := local.New(snapshot.Template(), options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := cloud.Start(ctx); err != nil {
		t.Fatal(err)
	}
	s, err := shop.Open(ctx, cloud, outside, "saigon")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range lan(s, noon) {
		w := httptest.NewRecorder()
		cloud.FrontDoor().ServeHTTP(w, d.Request())
		if !shop.Acknowledged(w.Result()) {
			t.Fatalf("%s: %d %s", d.What, w.Code, w.Body)
		}
	}
	if err := cloud.Advance(ctx, 30*time.Minute); err != nil {
		t.Fatal(err)
	}
	settled(t, s)
	w := httptest.NewRecorder()
	cloud.FrontDoor().ServeHTTP(w, s.API(http.MethodGet, "/v1/profiles?email=lan@example.vn", nil))
	if w.Code != http.StatusOK {
		t.Errorf("the API answers %d %s", w.Code, w.Body)
	}
}

// TestSim: the same in a world that a seed drives, with a mail that is read.
func TestSim(t *testing.T) {
	outside := &shop.Outside{}
	var world *sim.World
	wake := func() (time.Time, bool) { return shop.Next(world.Cloud.Table("HubTable"), world.Now()) }
	sim.Run(t, sim.Config{Seed: 1, Start: noon, Template: snapshot.Template(), Outside: outside.Hosts(), Wake: wake,
		Options: local.Options{Handlers: outside.Handlers(), Front: shop.Address + "/"}}, func(w *sim.World) {
		world, outside.Now = w, w.Now
		s, err := shop.Open(w.Context(), w.Cloud, outside, "saigon")
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range lan(s, w.Now()) {
			w.Go(d.What, func() {
				if a := w.Send(d.Request()); !shop.Acknowledged(a) {
					t.Errorf("%s: %d", d.What, a.StatusCode)
				}
			})
		}
		w.Pass(30 * time.Minute)
		settled(t, s)
		links := shop.Links(w.Cloud.Outbox().Mails()[0].HTML)
		if len(links) == 0 {
			t.Fatal("the mail has no links")
		}
		w.Go("lan clicks", func() {
			if a := w.Send(shop.Follow(links[0])); a.StatusCode != http.StatusFound {
				t.Errorf("the link is answered %d", a.StatusCode)
			}
		})
		w.Pass(time.Minute)
	})
}
