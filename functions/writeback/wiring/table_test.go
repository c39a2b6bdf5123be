package wiring

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	connector "loophub/connectors"
	"loophub/connectors/hubspot"
	"loophub/events"
	"loophub/functions/writeback"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/hub"
	"loophub/shared/outbound"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
)

// On the real table: profiles are read from it, ledgers lie in it, and by them
// echoes are known that HubSpot does not mark as ours.
func TestOnTheTable(t *testing.T) {
	cloud := awstest.New(t)
	table := hub.New(dynamodb.NewFromConfig(cloud.Config()), awstest.Hub)
	w := newWorld(t)
	w.elsewhere = true
	part := table.In(w.def.ID)
	write := func(traits fields) {
		t.Helper()
		f, err := part.Fragment(t.Context(), lan)
		if err != nil {
			t.Fatal(err)
		}
		f.State.Traits = map[string]profile.Register{}
		for name, v := range traits {
			f.State.Traits[name] = profile.Register{Value: events.Text(v)}
		}
		if err := part.Commit(t.Context(), f, nil, []profile.Change{profile.TraitsChanged}); err != nil {
			t.Fatal(err)
		}
	}
	one := w.worker()
	stage := writeback.New(writeback.Config{
		Connectors: []connector.Connector{hubspot.New()}, Definitions: one, Hub: func(id string) writeback.Hub { return table.In(id) },
		Surroundings: one, Due: one, Controls: one, Language: words{}, Jitter: func() float64 { return 0 },
		Systems: outbound.New(outbound.Config{Credentials: one, Transport: one, Log: telemetry.New(&w.log, "writeback"), Now: w.Now}),
		Log:     telemetry.New(&w.log, "writeback"), Now: w.Now,
	})
	run := func() {
		t.Helper()
		out, err := stage.Invoke(t.Context(), queue(t, changed(t, lan)))
		if err != nil || string(out) != `{"batchItemFailures":[]}` {
			t.Fatalf("%s, %v", out, err)
		}
	}
	write(lansTraits)
	for range 2 {
		run()
	}
	w.holds("lan@example.vn", fields{"firstname": "Lan"})
	write(fields{"email": "lan@example.vn", "first_name": "Lan Anh", "city": "Huế"})
	run()
	w.holds("lan@example.vn", fields{"firstname": "Lan Anh"})

	// Read by a source that takes our app for somebody else's.
	src, err := hubspot.New().Source(connector.Settings{Values: fields{"app_id": "1"}, Country: "VN"})
	if err != nil {
		t.Fatal(err)
	}
	echo := hub.NewEcho(table, func(context.Context, string, string) (*connector.Outbound, error) {
		return hubspot.New().Manifest.Outbound, nil
	})
	w.Edit("lan@example.vn", fields{"lastname": "Nguyễn"})
	hooks, err := w.Webhooks()
	if err != nil || len(hooks) != 1 {
		t.Fatal(len(hooks), err)
	}
	facts, faults := src.Decode(hooks[0])
	var news []events.Fact
	for _, f := range facts {
		f, _, err := echo.Own(t.Context(), w.def.ID, "crm", f)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Fields) > 0 && f.Version > 0 {
			news = append(news, f)
		}
	}
	if len(facts) < 4 || len(faults) > 0 || len(news) != 1 || news[0].Fields["last_name"].String() != "Nguyễn" {
		t.Errorf("%d facts came back, of which are news: %v; %v", len(facts), news, faults)
	}
	w.calm("on the table")
}
