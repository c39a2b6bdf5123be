package logs

import (
	"fmt"
	"testing"
)

func TestTheNewestLinesAreKept(t *testing.T) {
	s := New([]string{"g"})
	if s.Append(Line{Group: "none"}) || len(s.Lines("none", 1)) != 0 {
		t.Error("a group that does not exist took a line")
	}
	for i := range 5 * kept {
		s.Append(Line{Group: "g", Text: fmt.Sprint(i)})
	}
	got := s.Lines("g", 3)
	if len(got) != 3 || got[2].Text != fmt.Sprint(5*kept-1) || got[0].Text != fmt.Sprint(5*kept-3) {
		t.Errorf("newest lines: %v", got)
	}
	if n := len(s.Lines("g", 10*kept)); n != kept {
		t.Errorf("%d lines kept", n)
	}
}
