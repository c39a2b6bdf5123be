package dynamodb

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var hub = aws.String("Hub")

// every is an item with all ten types.
func every() item {
	return with(key("every", "type"),
		"s", s("héé𝄞 \"\\\n\u2028"),
		"n", n("-12.5"),
		"b", &types.AttributeValueMemberB{Value: []byte{0, 1, 255}},
		"t", &types.AttributeValueMemberBOOL{Value: true},
		"f", &types.AttributeValueMemberBOOL{Value: false},
		"z", &types.AttributeValueMemberNULL{Value: true},
		"m", &types.AttributeValueMemberM{Value: item{"a": s(""), "e": &types.AttributeValueMemberM{Value: item{}}}},
		"l", &types.AttributeValueMemberL{Value: []types.AttributeValue{n("1"), s("x"), &types.AttributeValueMemberL{Value: []types.AttributeValue{}}}},
		"ss", &types.AttributeValueMemberSS{Value: []string{"", "a", "b"}},
		"ns", &types.AttributeValueMemberNS{Value: []string{"-1", "9", "10"}},
		"bs", &types.AttributeValueMemberBS{Value: [][]byte{{0}, {1}}},
	)
}

func TestTablesGoByTheirARNToo(t *testing.T) {
	w := newWorld(t)
	w.put(hubARN, key("a", "1"))
	w.same("item", w.get("Hub", key("a", "1")), key("a", "1"))
}

func TestSpecsThatAreRefused(t *testing.T) {
	good := specs()[0]
	for want, change := range map[string]func(*TableSpec){
		"table Inbox: 0 key attributes, want 1 or 2":          func(s *TableSpec) { s.Keys = nil },
		`table Inbox: key pk has type "SS", want S, N or B`:   func(s *TableSpec) { s.Keys = []Key{{"pk", "SS"}} },
		"table Inbox: name or ARN is missing":                 func(s *TableSpec) { s.ARN = "" },
		`table Inbox: unknown stream view "ALL"`:              func(s *TableSpec) { s.StreamView = "ALL" },
		`table Inbox: index i: unknown projection "SOME"`:     func(s *TableSpec) { s.Indexes = []IndexSpec{{Name: "i", Keys: s.Keys, Projection: "SOME"}} },
		"table Inbox: index i: 0 key attributes, want 1 or 2": func(s *TableSpec) { s.Indexes = []IndexSpec{{Name: "i"}} },
	} {
		spec := good
		change(&spec)
		if _, err := New(nil, []TableSpec{spec}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New(nil, []TableSpec{good, good}); err == nil || err.Error() != "table Inbox: described twice" {
		t.Errorf("a table described twice: %v", err)
	}
}
