package dynamodb

import (
	"strings"
	"testing"

	"loophub/infra/local/dispatch"
)

func TestNeeds(t *testing.T) {
	w := newWorld(t)
	const other = "arn:aws:dynamodb:us-east-1:000000000000:table/Other"
	for _, c := range []struct{ operation, body, want string }{
		{"PutItem", `{"TableName":"Inbox","Item":{}}`, "PutItem " + inboxARN},
		{"GetItem", `{"TableName":"` + hubARN + `"}`, "GetItem " + hubARN},
		{"UpdateItem", `{"TableName":"Other"}`, "UpdateItem " + other},
		{"DeleteItem", `{"TableName":"arn:aws:dynamodb:eu-west-1:1:table/Other"}`, "DeleteItem arn:aws:dynamodb:eu-west-1:1:table/Other"},
		{"Query", `{"TableName":"Inbox"}`, "Query " + inboxARN},
		{"Query", `{"TableName":"Inbox","IndexName":"parked"}`, "Query " + inboxARN + "/index/parked"},
		{"Scan", `{"TableName":"Inbox","IndexName":"parked"}`, "Scan " + inboxARN + "/index/parked"},
		{"BatchGetItem", `{"RequestItems":{"Inbox":{},"Hub":{}}}`, "BatchGetItem " + hubARN + ", BatchGetItem " + inboxARN},
		{"BatchWriteItem", `{"RequestItems":{"Hub":[]}}`, "BatchWriteItem " + hubARN},
		{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"Hub"}},{"Get":{"TableName":"Hub"}}]}`, "GetItem " + hubARN},
		{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"Hub","Item":{}}},{"Update":{"TableName":"Hub"}},{"Put":{"TableName":"Hub"}},
			{"Delete":{"TableName":"Inbox"}},{"ConditionCheck":{"TableName":"Hub"}}]}`,
			"PutItem " + hubARN + ", UpdateItem " + hubARN + ", DeleteItem " + inboxARN + ", ConditionCheckItem " + hubARN},
	} {
		needs, err := w.service.Needs(dispatch.Call{Operation: c.operation, Body: []byte(c.body)})
		if err != nil {
			t.Errorf("%s: %v", c.operation, err)
		}
		var got []string
		for _, need := range needs {
			got = append(got, strings.TrimPrefix(need.Action, "dynamodb:")+" "+need.Resource)
		}
		w.same(c.operation, strings.Join(got, ", "), c.want)
	}
	for operation, body := range map[string]string{"CreateTable": `{}`, "PutItem": `[`, "TransactWriteItems": `{"TransactItems":[{"Bogus":{}}]}`} {
		if needs, err := w.service.Needs(dispatch.Call{Operation: operation, Body: []byte(body)}); err == nil {
			t.Errorf("%s %s needs %v", operation, body, needs)
		}
	}
}
