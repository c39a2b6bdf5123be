package operator

import (
	"os"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/connectors/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Suite{New: New, Fixtures: "testdata", Update: os.Getenv("UPDATE") != ""})
}

// What the API writes is what the connector reads.
func TestRequest(t *testing.T) {
	at := conformance.Received.UnixMilli()
	r, err := Decisions{Decisions: []Decision{{Op: "split", A: "b", B: "a"}}, By: "api", At: at}.Request()
	if err != nil {
		t.Fatal(err)
	}
	facts, faults := source{}.Decode(r)
	if len(facts) != 1 || len(faults) != 0 || facts[0].Record != "a+b" || facts[0].Version != at || facts[0].Fields["by"].String() != "api" {
		t.Errorf("%+v %v", facts, faults)
	}
	if err := (source{}).Verify(r, []connector.Secret{"any"}); err == nil {
		t.Error("a request from outside verifies")
	}
}

func TestTooManyDecisions(t *testing.T) {
	one := `{"op":"tie","fragment_a":"a","fragment_b":"b"},`
	body := `{"at":1795509000000,"decisions":[` + strings.TrimSuffix(strings.Repeat(one, maxDecisions+1), ",") + `]}`
	facts, faults := source{}.Decode(connector.Request{Body: []byte(body)})
	if len(facts) != maxDecisions || len(faults) != 1 {
		t.Errorf("%d facts, %v", len(facts), faults)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"decisions":[{"op":"split","fragment_a":"a","fragment_b":"b"}],"by":"api","at":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		facts, _ := source{}.Decode(connector.Request{Body: body})
		for _, fact := range facts {
			if err := fact.Validate(); err != nil {
				t.Errorf("an invalid fact: %v", err)
			}
			if fact.Fields["fragment_a"].String() >= fact.Fields["fragment_b"].String() {
				t.Error("the pair is not in order")
			}
		}
	})
}
