package events

import "testing"

func TestEngagement(t *testing.T) {
	open, click := NewEngagement("c1", "m1", "opened_at", 5), NewEngagement("c1", "m1", "clicked_at", 7)
	for _, f := range []Fact{open, click} {
		f.Workspace, f.Connection = "saigon", "email"
		if err := f.Validate(); err != nil {
			t.Error(err)
		}
		if f.RecordKey() != "email|message|c1.m1" || f.Version != f.At {
			t.Errorf("%+v", f)
		}
	}
	if open.ID() == click.ID() || open.ID() != NewEngagement("c1", "m1", "opened_at", 5).ID() {
		t.Error("an event has not one id of its own")
	}
	if NewEngagement("c1", "m1", "read_at", 5).Validate() == nil {
		t.Error("an event that the catalogue does not name is accepted")
	}
}
