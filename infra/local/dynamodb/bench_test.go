package dynamodb

import (
	"strconv"
	"strings"
	"testing"
)

// BenchmarkServe is a PutItem without the SDK: what the tables themselves take.
func BenchmarkServe(b *testing.B) {
	w := newWorld(b)
	body := strings.Repeat("x", 1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.must("PutItem", `{"TableName":"Inbox","Item":{"pk":{"S":"p`+strconv.Itoa(i%1000)+`"},"sk":{"S":"`+strconv.Itoa(i)+
			`"},"b":{"S":"`+body+`"},"q":{"N":"1"},"x":{"N":"1800000000"}},"ConditionExpression":"attribute_not_exists(pk)"}`)
	}
}
